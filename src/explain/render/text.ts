/** A report as a person reads it on a terminal. Nothing in a name can move the cursor. */

import type { Envelope } from '../../model/events.ts';
import type { OomPatterns, OomReport, ReportZone } from '../../model/oom-report.ts';
import type { Paint } from '../../render/terminal.ts';
import { formatBytes, formatShare } from '../../text/format.ts';
import { printable } from '../../text/printable.ts';
import { type Composition, compositionOf, type PartName } from './composition.ts';

const LABEL = 10;
const BAR = 60;
const MOST_ZONES = 12;

/** @param width of the terminal */
export function renderReport(report: OomReport, paint: Paint, width: number): string {
  const { verdict, trigger } = report;
  const rows: [string, string][] = [['why', sentence(verdict.why)]];
  for (const { text } of verdict.factors) rows.push(['', `${text}.`]);
  rows.push(['chosen', verdict.choice], ['to blame', verdict.culprit]);
  if (trigger) rows.push(['asked', asked(trigger)]);
  for (const { if: condition, comm, pid } of verdict.alternatives)
    rows.push(['otherwise', `If ${condition}, ${printable(comm)} (pid ${pid}) would have been chosen.`]);
  for (const { do: action, because } of verdict.advice) rows.push(['do', `${action} ${paint('dim', because)}`]);
  for (const warning of report.warnings) rows.push(['warning', warning]);
  const block = labelled(rows, paint, width);
  const at = rows.findIndex(([label]) => label === 'otherwise' || label === 'do');
  const figures = [...memoryBar(report, paint), ...holders(report, paint), ...zones(report, paint)];
  block.splice(at < 0 ? block.length : at, 0, ...figures);
  return [title(report, paint), ...block].join('\n');
}

export type Summary = Omit<OomPatterns, keyof Envelope>;

const MOST_LISTED = 5;

/** What many reports have in common. */
export function renderPatterns(summary: Summary, paint: Paint, width: number): string {
  const { reports, kills, first, last, last_24h } = summary;
  const rows: [string, string][] = [];
  if (first !== null && last !== null)
    rows.push([
      'when',
      `${minute(first)} to ${minute(last)}${last_24h === null ? '' : `; ${last_24h} in the last 24 hours`}`,
    ]);
  const counts = (list: { name: string; count: number }[]) =>
    list
      .slice(0, MOST_LISTED)
      .map(({ name, count }) => `${printable(name)} ${count}`)
      .join(', ') + (list.length > MOST_LISTED ? `, and ${list.length - MOST_LISTED} more` : '');
  const lists = {
    victims: summary.by_process,
    limits: summary.by_cgroup,
    units: summary.by_unit,
    pods: summary.by_pod,
    containers: summary.by_container,
    scopes: summary.by_scope,
  };
  for (const [label, list] of Object.entries(lists)) if (list.length > 0) rows.push([label, counts(list)]);
  for (const { name, count } of summary.by_hour.slice(-12))
    rows.push(['by hour', `${name.slice(0, 13).replace('T', ' ')}h ${'#'.repeat(Math.min(count, 50))} ${count}`]);
  for (const { from, duration_seconds, kills: many } of summary.storms.slice(0, MOST_LISTED))
    rows.push(['storms', `${many} kills in ${duration_seconds} s${from === null ? '' : ` from ${minute(from)}`}`]);
  for (const { comm, pid, from_bytes, to_bytes } of summary.growers)
    rows.push([
      'grew',
      `${printable(comm)} (pid ${pid}) from ${formatBytes(from_bytes)} to ${formatBytes(to_bytes)} between reports`,
    ]);
  for (const { do: action, because } of summary.findings) rows.push(['do', `${action} ${paint('dim', because)}`]);
  return [`${paint('bold', `${reports} reports, ${kills} kills`)}`, ...labelled(rows, paint, width)].join('\n');
}

const minute = (time: string) => `${time.slice(0, 10)} ${time.slice(11, 16)}Z`;

const sentence = (text: string) => text.charAt(0).toUpperCase() + text.slice(1);

function title(report: OomReport, paint: Paint): string {
  const { victim, outcome, kernel } = report;
  const label = { killed: 'KILLED', panic: 'PANIC', nobody_killable: 'NOBODY KILLABLE', unknown: 'OUT OF MEMORY' }[
    outcome
  ];
  const who = victim
    ? `${paint('bold', printable(victim.comm))} (pid ${victim.pid}${victim.uid === null ? '' : `, uid ${victim.uid}`})`
    : '';
  const parts = report.parts.includes('head') ? '' : paint('yellow', ` incomplete: only ${report.parts.join(', ')}`);
  return `${paint('dim', when(report))} ${paint('red', label)} ${who}${kernel === null ? '' : paint('dim', `  Linux ${printable(kernel)}`)}${parts}`;
}

export function when({ time, time_source, since_boot_seconds }: OomReport): string {
  if (time_source !== 'reading') return `${time.slice(0, 10)} ${time.slice(11, 19)}Z`;
  return since_boot_seconds === null ? 'at an unknown time' : `${since_boot_seconds.toFixed(3)} s after boot`;
}

/** On the way from whoever wants memory to the OOM killer: of no interest. */
const ALLOCATOR =
  /^(?:dump_|oom_|out_of_memory|show_stack|_*mem_?cg|_*mem_cgroup|try_charge|charge_|obj_cgroup|get_page|_*alloc|_*k[vmz]?alloc|_*kmalloc|kmem_cache|_*slab|new_slab|_*folio_alloc|vma_alloc|_*get_free|get_zeroed)/;

export function asked({ comm, pid, tid, gfp, gfp_mask, order, stack }: NonNullable<OomReport['trigger']>): string {
  if (order === -1) return `${printable(comm)}, on behalf of SysRq.`;
  const who = `${printable(comm)}${pid === null ? (tid === null ? '' : ` (thread ${tid})`) : ` (pid ${pid})`}`;
  const size = order === null ? '' : order === 0 ? ' for 1 page' : ` for ${2 ** order} pages in a row (order ${order})`;
  const flags = gfp ?? gfp_mask;
  const from = stack.find((name) => !ALLOCATOR.test(name));
  return `${who}${size}${flags === null ? '' : ` with ${printable(flags)}`}${from === undefined ? '' : `, in ${printable(from)}()`}.`;
}

/** Each label once, on its first row. */
function labelled(rows: readonly (readonly [string, string])[], paint: Paint, width: number): string[] {
  const shown = new Set<string>();
  return rows.map(([label, text]) => {
    const lead = shown.has(label) ? '' : label;
    shown.add(label);
    return row(lead, text, paint, width);
  });
}

/** A label and text broken at blanks. */
function row(label: string, text: string, paint: Paint, width: number): string {
  const room = Math.max(40, width - LABEL - 2);
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && visible(line) + 1 + visible(word) > room) {
      lines.push(line);
      line = word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  lines.push(line);
  return `  ${paint('dim', label.padEnd(LABEL))}${lines.join(`\n${' '.repeat(LABEL + 2)}`)}`;
}

const ESCAPES = new RegExp(`${String.fromCharCode(27)}\\[\\d+m`, 'g');
const visible = (text: string) => text.replaceAll(ESCAPES, '').length;

const letters: Record<PartName, [string, 'red' | 'yellow' | 'green' | 'dim' | 'bold']> = {
  anonymous: ['a', 'red'],
  shared: ['s', 'yellow'],
  'file cache': ['f', 'green'],
  kernel: ['k', 'bold'],
  'page tables': ['p', 'bold'],
  'huge pages': ['h', 'bold'],
  other: ['?', 'dim'],
  free: ['.', 'dim'],
};

function memoryBar(report: OomReport, paint: Paint): string[] {
  const composition = compositionOf(report);
  if (!composition) return [];
  const widths = barWidths(composition, BAR);
  const bar = composition.parts.map(({ name }, i) => paint(letters[name][1], letters[name][0].repeat(widths[i] ?? 0)));
  const legend = composition.parts.map(({ name, bytes }) => `${letters[name][0]} ${name} ${formatBytes(bytes)}`);
  const label = `  ${paint('dim', (composition.of === 'limit' ? 'the limit' : 'memory').padEnd(LABEL))}`;
  const lines = [`${label}[${bar.join('')}] ${formatBytes(composition.whole)}`];
  for (let i = 0; i < legend.length; i += 4) lines.push(`${' '.repeat(LABEL + 3)}${legend.slice(i, i + 4).join(', ')}`);
  return lines;
}

/** Whole characters that add up, each part at least one: the largest parts give. */
export function barWidths({ whole, parts }: Composition, size: number): number[] {
  const widths = parts.map(({ bytes }) => Math.max(1, Math.round((bytes / Math.max(whole, 1)) * size)));
  for (let over = widths.reduce((sum, width) => sum + width, 0) - size; over !== 0; over -= Math.sign(over)) {
    const largest = widths.indexOf(Math.max(...widths));
    widths[largest] = (widths[largest] ?? 0) - Math.sign(over);
  }
  return widths;
}

function holders({ verdict, victim, tasks }: OomReport, paint: Paint): string[] {
  if (verdict.holders.length === 0) return [];
  const lines = verdict.holders.slice(0, 8).map(({ name, pid, bytes, share }) => {
    const task = tasks.find((one) => one.pid === pid);
    const size = formatBytes(bytes).padStart(10);
    const part = (share === null ? '' : formatShare(share)).padStart(6);
    const adj = task ? `adj ${String(task.oom_score_adj).padStart(5)}` : ' '.repeat(9);
    const mark = pid !== null && pid === victim?.pid ? paint('red', '  killed') : '';
    return `${size} ${part}  ${adj}  ${printable(name)}${pid === null ? '' : ` (pid ${pid})`}${mark}`;
  });
  return lines.map((line, i) => `  ${paint('dim', (i === 0 ? 'held by' : '').padEnd(LABEL))}${line}`);
}

/** Free memory of each zone against its watermarks, all on the zone's own scale. */
function zones({ memory }: OomReport, paint: Paint): string[] {
  const list =
    memory?.zones
      .filter(({ high_bytes, managed_bytes }) => high_bytes > 0 && managed_bytes !== 0)
      .slice(0, MOST_ZONES) ?? [];
  return list.map((zone, i) => {
    const label = `  ${paint('dim', (i === 0 ? 'zones' : '').padEnd(LABEL))}`;
    const figures = `free ${formatBytes(zone.free_bytes)}, min ${formatBytes(zone.min_bytes)}, low ${formatBytes(zone.low_bytes)}, high ${formatBytes(zone.high_bytes)}`;
    return `${label}${`node ${zone.node} ${zone.name}`.padEnd(15)}[${gauge(zone, paint)}] ${figures}`;
  });
}

const GAUGE = 30;

function gauge(zone: ReportZone, paint: Paint): string {
  const scale = Math.max(zone.high_bytes * 1.25, Math.min(zone.free_bytes, zone.high_bytes * 2));
  const at = (bytes: number) => Math.min(GAUGE - 1, Math.floor((bytes / scale) * GAUGE));
  const cells: string[] = Array.from({ length: GAUGE }, (_, i) =>
    i < Math.round((zone.free_bytes / scale) * GAUGE) ? '#' : ' ',
  );
  for (const [letter, bytes] of [
    ['h', zone.high_bytes],
    ['l', zone.low_bytes],
    ['m', zone.min_bytes],
  ] as const)
    cells[at(bytes)] = letter;
  return paint(zone.free_bytes < zone.min_bytes ? 'red' : 'green', cells.join(''));
}
