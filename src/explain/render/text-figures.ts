/** Renders the figures of a report for a terminal: the memory as a bar, the largest holders, and the zones. */
import type { OomReport, ReportZone } from '../../model/oom-report.ts';
import type { Paint } from '../../render/paint.ts';
import { formatBytes, formatShare } from '../../text/format.ts';
import { printable } from '../../text/printable.ts';
import { restOf } from '../verdict/holders.ts';
import { type Composition, compositionOf, type PartName, swapOf } from './composition.ts';
import { LABEL, lead } from './rows.ts';

const BAR = 60;
const GAUGE = 30;
const MOST_ZONES = 12;
const MOST_HOLDERS = 8;

export function figures(report: OomReport, paint: Paint): string[] {
  return [
    ...bar(compositionOf(report), paint),
    ...bar(swapOf(report), paint),
    ...holders(report, paint),
    ...zones(report, paint),
  ];
}

const letters: Record<PartName, [string, 'red' | 'yellow' | 'green' | 'dim' | 'bold']> = {
  anonymous: ['a', 'red'],
  shared: ['s', 'yellow'],
  'file cache': ['f', 'green'],
  kernel: ['k', 'bold'],
  'page tables': ['p', 'bold'],
  'huge pages': ['h', 'bold'],
  'swapped out': ['w', 'red'],
  'also in memory': ['c', 'yellow'],
  other: ['o', 'dim'],
  free: ['.', 'dim'],
};

const titles: Record<Composition['of'], string> = {
  limit: 'the limit',
  memory: 'memory',
  'swap limit': 'its swap',
  swap: 'swap',
};

function bar(composition: Composition | null, paint: Paint): string[] {
  if (!composition) return [];
  const widths = barWidths(composition, BAR);
  const cells = composition.parts.map(({ name }, i) =>
    paint(letters[name][1], letters[name][0].repeat(widths[i] ?? 0)),
  );
  const legend = composition.parts.map(({ name, bytes }) => `${letters[name][0]} ${name} ${formatBytes(bytes)}`);
  const label = lead(titles[composition.of], paint);
  const lines = [`${label}[${cells.join('')}] ${formatBytes(composition.whole)}`];
  for (let i = 0; i < legend.length; i += 4) lines.push(`${' '.repeat(LABEL + 3)}${legend.slice(i, i + 4).join(', ')}`);
  return lines;
}

/** The width of each part in characters: at least 1, in total `size`. Rounding errors go to the largest parts. */
export function barWidths({ whole, parts }: Composition, size: number): number[] {
  const widths = parts.map(({ bytes }) => Math.max(1, Math.round((bytes / Math.max(whole, 1)) * size)));
  for (let over = widths.reduce((sum, width) => sum + width, 0) - size; over !== 0; over -= Math.sign(over)) {
    const largest = widths.indexOf(Math.max(...widths));
    widths[largest] = (widths[largest] ?? 0) - Math.sign(over);
  }
  return widths;
}

function holders({ verdict, victim, tasks }: OomReport, paint: Paint): string[] {
  const shown = verdict.holders.slice(0, MOST_HOLDERS);
  const rows = shown.map(({ name, pid, processes, bytes, share }, i) => {
    const task = tasks.find((one) => one.pid === pid);
    const size = formatBytes(bytes).padStart(10);
    const part = (share === null ? '' : formatShare(share)).padStart(6);
    const adj = task ? `adj ${String(task.oom_score_adj).padStart(5)}` : ' '.repeat(9);
    const mark = pid !== null && pid === victim?.pid ? paint('red', '  killed') : '';
    const many = processes > 1 ? ` (${processes} processes)` : '';
    const holder = `${printable(name)}${pid === null ? many : ` (pid ${pid})`}`;
    return `${lead(i === 0 ? 'held by' : '', paint)}${size} ${part}  ${adj}  ${holder}${mark}`;
  });
  const { processes, bytes } = restOf(tasks, shown);
  const rest = `${formatBytes(bytes).padStart(10)}${' '.repeat(20)}${processes} more ${processes === 1 ? 'process' : 'processes'}`;
  return processes === 0 ? rows : [...rows, `${lead('', paint)}${rest}`];
}

/** Lists the zones that have memory: free memory and watermarks, each zone on its own scale. */
function zones({ memory }: OomReport, paint: Paint): string[] {
  const list = memory?.zones.filter(({ high_bytes, managed_bytes }) => high_bytes > 0 && managed_bytes !== 0) ?? [];
  const left = list.length - MOST_ZONES;
  const rows = list.slice(0, MOST_ZONES).map((zone, i) => {
    const sizes = `free ${formatBytes(zone.free_bytes)}, min ${formatBytes(zone.min_bytes)}, low ${formatBytes(zone.low_bytes)}, high ${formatBytes(zone.high_bytes)}`;
    const name = `node ${zone.node} ${zone.name}`.padEnd(15);
    return `${lead(i === 0 ? 'zones' : '', paint)}${name}[${gauge(zone, paint)}] ${sizes}`;
  });
  return left <= 0 ? rows : [...rows, `${lead('', paint)}${left} more zones: see --fields`];
}

function gauge(zone: ReportZone, paint: Paint): string {
  const scale = Math.max(zone.high_bytes * 1.25, Math.min(zone.free_bytes, zone.high_bytes * 2));
  const at = (bytes: number) => Math.min(GAUGE - 1, Math.floor((bytes / scale) * GAUGE));
  const filled = Math.round((zone.free_bytes / scale) * GAUGE);
  const cells: string[] = Array.from({ length: GAUGE }, (_, i) => (i < filled ? '#' : ' '));
  for (const [letter, bytes] of [
    ['h', zone.high_bytes],
    ['l', zone.low_bytes],
    ['m', zone.min_bytes],
  ] as const)
    cells[at(bytes)] = letter;
  return paint(zone.free_bytes < zone.min_bytes ? 'red' : 'green', cells.join(''));
}
