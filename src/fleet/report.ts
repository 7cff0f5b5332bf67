/** The fleet as text: incidents, nodes by danger, and what is killed most. */
import type { Paint } from '../render/paint.ts';
import { sparkline } from '../render/sparkline.ts';
import { formatSpan } from '../text/format.ts';
import { printable } from '../text/printable.ts';
import type { FleetCounts } from './counts.ts';
import type { Incident } from './incidents.ts';
import { incidentMessage } from './message.ts';
import type { NodeView } from './nodes.ts';
import type { Count, Subject } from './totals.ts';

/** What a report shows; also the JSON of `oomscope fleet --json`. */
export interface FleetReport {
  schema: 'oomscope/fleet/v1';
  /** The server's clock: RFC 3339. */
  time: string;
  /** How far back the counts go, in seconds. */
  since_seconds: number;
  kills: number;
  events: number;
  /** Kills in each of the last minutes, the oldest first. */
  kills_per_minute: number[];
  incidents: Incident[];
  nodes: NodeView[];
  top: Record<Subject, Count[]>;
  counts: FleetCounts;
}

const SKEW_MS = 1000;
/** So many events may be on their way at any time. */
const IN_FLIGHT = 64;
const titles: Record<Subject, string> = {
  ...{ image: 'image', workload: 'workload', limit: 'limit', program: 'program', node: 'node' },
};

export interface FleetTextOptions {
  paint: Paint;
  /** How many nodes are shown. */
  rows: number;
  /** Width of a line. */
  most: number;
  /** false: what the stream has is being read (true). */
  isRead?: boolean;
}

export function renderFleet(report: FleetReport, { paint, rows, most, isRead = true }: FleetTextOptions) {
  const { incidents, nodes, kills, kills_per_minute, since_seconds, counts } = report;
  const nowMs = Date.parse(report.time);
  const silent = nodes.filter(({ state }) => state === 'silent').length;
  const head = [
    `${nodes.length} node${nodes.length === 1 ? '' : 's'}`,
    ...(silent > 0 ? [paint('red', `${silent} silent`)] : []),
    `${kills} kill${kills === 1 ? '' : 's'} in ${formatSpan(since_seconds)}`,
    `${sparkline(kills_per_minute, 0, Math.max(1, ...kills_per_minute))} a minute`,
  ].join('  ');
  const lines = [paint('bold', 'Fleet  ') + head];
  const odd = oddities(counts);
  if (odd !== '') lines.push(paint('yellow', odd));
  if (incidents.length > 0) lines.push('', paint('bold', 'Incidents'));
  for (const incident of incidents)
    lines.push(
      `  ${paint('red', '●')} ${printable(incidentMessage(incident))} ${paint('dim', printable(incident.incident_id))}`,
    );
  const ordered = byDanger(nodes);
  if (ordered.length === 0 && !isRead) lines.push('', 'Reading what the nodes have published …');
  if (ordered.length === 0 && isRead)
    lines.push('', 'No node has published yet: see `[publish]` of `oomscope run`, or `oomscope trace --publish`.');
  if (ordered.length > 0) lines.push('', ...table(ordered.slice(0, rows), nowMs, paint, most));
  if (ordered.length > rows) lines.push(paint('dim', `  … and ${ordered.length - rows} more nodes`));
  const tops = (Object.keys(titles) as Subject[]).filter(
    (subject) => subject !== 'node' && report.top[subject].length > 0,
  );
  if (tops.length > 0) lines.push('', paint('bold', 'Most kills by'));
  for (const subject of tops) {
    const names = report.top[subject]
      .slice(0, 5)
      .map(({ name, kills, nodes }) => `${shortIds(printable(name))} ${kills}${nodes > 1 ? ` on ${nodes} nodes` : ''}`);
    lines.push(`  ${titles[subject].padEnd(9)} ${names.join(', ')}`);
  }
  return lines;
}

/** So that web-9 comes before web-10. */
const byName = new Intl.Collator('en', { numeric: true });

/** The nodes that need attention first. */
export function byDanger(nodes: readonly NodeView[]): NodeView[] {
  const rank = ({ state, pressure }: NodeView) =>
    (state === 'silent' ? 4 : 0) + (pressure === 'critical' ? 2 : pressure === 'medium' ? 1 : 0);
  return [...nodes].sort(
    (a, b) =>
      rank(b) - rank(a) || (b.last_kill?.at_ms ?? 0) - (a.last_kill?.at_ms ?? 0) || byName.compare(a.node, b.node),
  );
}

/** The ids of containers have 64 digits. */
const shortIds = (name: string) => name.replace(/([0-9a-f]{12})[0-9a-f]{52}/g, '$1…');

function oddities({ missing, malformed, discarded, late }: FleetCounts): string {
  const parts = [
    ...(missing > 0 ? [`${missing} events are missing`] : []),
    ...(late > 0 ? [`${late} events came after later ones of their node`] : []),
    ...(discarded > 0 ? [`the server discarded ${discarded} messages unread`] : []),
    ...(malformed > 0 ? [`${malformed} messages were no events of oomscope`] : []),
  ];
  return parts.join('; ');
}

function table(nodes: readonly NodeView[], nowMs: number, paint: Paint, most: number): string[] {
  const ago = (ms: number) => (ms === 0 ? 'never' : `${formatSpan(Math.max(0, Math.round((nowMs - ms) / 1000)))} ago`);
  const rows = nodes.map((node) =>
    [
      `${node.cluster}/${node.node}`,
      node.state === 'up' ? ago(node.heard_ms) : node.state === 'left' ? 'left' : `SILENT ${ago(node.heard_ms)}`,
      String(node.kills),
      node.last_kill ? ago(node.last_kill.at_ms) : '-',
      node.pressure ?? (node.stalled_percent === null ? '-' : `${node.stalled_percent} %`),
      String(node.guard_kills),
      node.version ?? '-',
      remarks(node),
    ].map(printable),
  );
  const all = [['node', 'heard', 'kills', 'last kill', 'pressure', 'by guard', 'version', ''], ...rows];
  const widths = all[0]?.map((_, i) => Math.max(...all.map((row) => row[i]?.length ?? 0))) ?? [];
  return all.map((row, i) => {
    const line = `  ${row.map((cell, at) => cell.padEnd(widths[at] ?? 0)).join('  ')}`.trimEnd().slice(0, most);
    return i === 0 ? paint('dim', line) : nodes[i - 1]?.state === 'silent' ? paint('red', line) : line;
  });
}

function remarks({ has_twin, missing, lost, waiting, skew_ms, machine }: NodeView): string {
  const parts = [
    ...(has_twin ? [`a second machine has this name (this is ${machine ?? 'unknown'})`] : []),
    ...(missing > 0 ? [`${missing} events missing`] : []),
    ...(lost > 0 ? [`${lost} lost on the node`] : []),
    ...(waiting > IN_FLIGHT ? [`${waiting} waiting`] : []),
    ...(skew_ms !== null && Math.abs(skew_ms) > SKEW_MS
      ? [`its clock is ${formatSpan(Math.abs(skew_ms) / 1000)} ${skew_ms > 0 ? 'behind' : 'ahead'}`]
      : []),
  ];
  return parts.join(', ');
}
