/** Renders reports for a terminal. Control characters in names are escaped, so that no name can move the cursor. */
import type { Envelope } from '../../model/events.ts';
import type { OomPatterns, OomReport } from '../../model/oom-report.ts';
import type { Paint } from '../../render/paint.ts';
import { formatBytes } from '../../text/format.ts';
import { printable } from '../../text/printable.ts';
import { MOST_NAMES } from '../patterns.ts';
import { compare, sentencesOf } from '../verdict/comparison.ts';
import { labelled } from './rows.ts';
import { asked, when } from './sentences.ts';
import { fieldLines, sumRows } from './text-fields.ts';
import { figures } from './text-figures.ts';
import type { TimeLine } from './time-line.ts';

export interface TextOptions {
  /** The pid of a process to compare with the victim. */
  why?: number | undefined;
  /** List every field with its value and its meaning as well. */
  fields?: boolean;
}

/** @param width columns of the terminal */
export function renderReport(report: OomReport, paint: Paint, width: number, options: TextOptions = {}): string {
  const { why, fields = false } = options;
  const { verdict, trigger } = report;
  const rows: [string, string][] = [['why', sentence(verdict.why)]];
  for (const { text } of verdict.factors) rows.push(['', `${text}.`]);
  rows.push(['chosen', verdict.choice], ['held most', verdict.culprit]);
  rows.push(...sumRows(verdict.sums));
  if (trigger) rows.push(['asked', asked(report)]);
  rows.push(['fragments', verdict.fragmentation.text]);
  for (const { if: condition, comm, pid } of verdict.alternatives)
    rows.push(['otherwise', `If ${condition}, ${printable(comm)} (pid ${pid}) would have been chosen.`]);
  for (const { do: action, because } of verdict.advice) rows.push(['do', `${action} ${paint('dim', because)}`]);
  for (const line of why === undefined ? [] : sentencesOf(compare(report, why))) rows.push(['why not', line]);
  for (const warning of report.warnings) rows.push(['warning', warning]);
  const block = labelled(rows, paint, width);
  const at = rows.findIndex(([label]) => label === 'otherwise' || label === 'do');
  block.splice(at < 0 ? block.length : at, 0, ...figures(report, paint));
  const listed = fields ? fieldLines(report, paint, width) : [];
  return [title(report, paint), ...block, ...listed].join('\n');
}

export type Summary = Omit<OomPatterns, keyof Envelope>;

const MOST_LISTED = 5;
const MOST_HOURS = 12;

/** Renders the summary of many reports: counts, storms, growing processes and advice. */
export function renderPatterns(summary: Summary, paint: Paint, width: number): string {
  const { reports, kills, first, last, last_24h } = summary;
  const rows: [string, string][] = [];
  if (first !== null && last !== null) {
    const recent = last_24h === null ? '' : `; ${last_24h} in the last 24 hours`;
    rows.push(['when', `${minute(first)} to ${minute(last)}${recent}`]);
  }
  if (summary.by_program.length > 0) rows.push(['others', counts(summary.by_program)]);
  for (const [label, list] of Object.entries(listsOf(summary))) {
    if (list.length > 0) rows.push([label, counts(list)]);
  }
  const hours = summary.by_hour.length - MOST_HOURS;
  if (hours > 0) rows.push(['by hour', `${hours} earlier hours with reports are left out here; --json has them.`]);
  for (const { name, count } of summary.by_hour.slice(-MOST_HOURS))
    rows.push(['by hour', `${name.slice(0, 13).replace('T', ' ')}h ${'#'.repeat(Math.min(count, 50))} ${count}`]);
  for (const { from, duration_seconds, kills: many } of summary.storms.slice(0, MOST_LISTED))
    rows.push(['storms', `${many} kills in ${duration_seconds} s${from === null ? '' : ` from ${minute(from)}`}`]);
  for (const { comm, pid, from_bytes, to_bytes } of summary.growers) {
    const sizes = `from ${formatBytes(from_bytes)} to ${formatBytes(to_bytes)}`;
    rows.push(['grew', `${printable(comm)} (pid ${pid}) grew ${sizes} between reports`]);
  }
  for (const { do: action, because } of summary.findings) rows.push(['do', `${action} ${paint('dim', because)}`]);
  const many = (count: number, noun: string) => `${count} ${noun}${count === 1 ? '' : 's'}`;
  const title = [
    ...(reports > 0 ? [many(reports, 'report'), many(kills, 'kill')] : []),
    ...(summary.other_kills > 0 ? [`${many(summary.other_kills, 'message')} of other programs`] : []),
  ];
  return [paint('bold', title.join(', ')), ...labelled(rows, paint, width)].join('\n');
}

const MOST_ENTRIES = 20;

/**
 * Renders the kills in the order of time, by the kernel and by other programs. Of many, the last ones, and those with a
 * date rather than those without.
 */
export function renderTimeLine(line: TimeLine, paint: Paint, width: number): string {
  const all = line.entries();
  const dated = all.filter((entry) => entry.dated);
  const shown = (dated.length >= MOST_ENTRIES ? dated : all).slice(-MOST_ENTRIES);
  const several = new Set(all.map(({ source }) => source)).size > 1;
  const rows = shown.map(({ time, host, by, what, why, source }): [string, string] => {
    const where = host === '' ? '' : ` ${host}`;
    return [
      'time line',
      `${time}${where} ${paint(by === 'kernel' ? 'bold' : 'yellow', by)}: ${what} ${paint('dim', several ? `(${why}; in ${source})` : `(${why})`)}`,
    ];
  });
  const left = all.length - shown.length + line.left;
  if (left > 0) rows.unshift(['time line', `${left} more entries are left out here; --json and --html have them.`]);
  return labelled(rows, paint, width).join('\n');
}

const listsOf = (summary: Summary) => ({
  victims: summary.by_process,
  limits: summary.by_cgroup,
  units: summary.by_unit,
  pods: summary.by_pod,
  containers: summary.by_container,
  scopes: summary.by_scope,
});

function counts(list: { name: string; count: number }[]): string {
  const shown = list.slice(0, MOST_LISTED).map(({ name, count }) => `${printable(name)} ${count}`);
  const rest = list.length - shown.length;
  const least = list.length === MOST_NAMES ? 'at least ' : '';
  return `${shown.join(', ')}${rest > 0 ? `, and ${least}${rest} more` : ''}`;
}

const minute = (time: string) => `${time.slice(0, 10)} ${time.slice(11, 16)}Z`;
const sentence = (text: string) => text.charAt(0).toUpperCase() + text.slice(1);

const labels: Record<OomReport['outcome'], string> = {
  killed: 'KILLED',
  panic: 'PANIC',
  nobody_killable: 'NO PROCESS KILLABLE',
  unknown: 'OUT OF MEMORY',
};

function title(report: OomReport, paint: Paint): string {
  const { victim, outcome, kernel } = report;
  const uid = victim?.uid == null ? '' : `, uid ${victim.uid}`;
  const name = victim ? ` ${paint('bold', printable(victim.comm))} (pid ${victim.pid}${uid})` : '';
  const system = kernel === null ? '' : paint('dim', `  Linux ${printable(kernel)}`);
  const parts = report.parts.length === 0 ? 'one line' : report.parts.join(', ');
  const missing = report.parts.includes('head') ? '' : paint('yellow', `  incomplete: only ${parts}`);
  return `${paint('dim', when(report))} ${paint('red', labels[outcome])}${name}${system}${missing}`;
}
