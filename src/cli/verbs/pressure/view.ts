/**
 * Draws the live view of `oomscope pressure` as lines that are exactly as wide as the terminal. The function is pure.
 */
import type { Envelope } from '../../../model/events.ts';
import type { PressureLevelName, PressureSubject } from '../../../model/pressure.ts';
import type { MemoryRow } from '../../../pressure/memory-rows.ts';
import type { Paint } from '../../../render/paint.ts';
import { columnsOf, fitted } from '../../../render/width.ts';
import { formatBytes, formatRate, formatSpan } from '../../../text/format.ts';
import { printable } from '../../../text/printable.ts';

export const sortKeys = { p: 'pressure', u: 'usage', g: 'growth', l: 'time left', n: 'name' } as const;
export type SortKey = keyof typeof sortKeys;

/** An event, or a message of oomscope itself. */
export type Note = Pick<Envelope, 'time' | 'severity' | 'message'> & { subject?: PressureSubject };

export interface PressureView {
  node: string;
  /** The source of the levels: BPF or PSI. */
  source: string;
  /** The first row is the system; the others are cgroups. */
  rows: readonly MemoryRow[];
  swap: { totalBytes: number; freeBytes: number };
  /** The events, oldest first. */
  events: readonly Note[];
  sort: SortKey;
  /** How many cgroups above the first visible row are scrolled out of view. */
  offset: number;
  now: Date;
}

/** The number of rows that are always shown: a blank row, the two table heads, and the list of keys. */
const HEADS = 4;

type Style = Parameters<Paint>[0];

const levelStyles: Record<PressureLevelName, Style | undefined> = {
  normal: undefined,
  low: 'green',
  medium: 'yellow',
  critical: 'red',
};

export function renderPressure(view: PressureView, columns: number, rows: number, paint: Paint): string[] {
  const [system, ...groups] = view.rows;
  const lines = [title(view, columns, paint)];
  if (system) lines.push(...systemLines(system, view.swap, columns, paint));
  const table = tableOf(columns);
  const sorted = [...groups].sort(orders[view.sort]);
  // The events get a quarter of the rows, and in addition the rows that the cgroups do not need.
  const free = Math.max(0, rows - lines.length - HEADS);
  const eventRows = Math.max(Math.min(free, Math.max(1, Math.floor(rows / 4))), free - sorted.length);
  const room = free - eventRows;
  const offset = Math.max(0, Math.min(view.offset, sorted.length - room));
  const shown = sorted.slice(offset, offset + room);
  lines.push('', paint('dim', table.head));
  for (const row of shown) lines.push(table.row(row, paint));
  const hidden = sorted.length - shown.length;
  const more = hidden > 0 ? `${offset + 1} to ${offset + shown.length} of ${sorted.length} cgroups  ` : '';
  lines.push(paint('dim', fitted(`${more}events`, columns)));
  const latest = view.events.slice(-eventRows);
  for (const event of latest) lines.push(eventLine(event, columns, paint));
  while (lines.length < rows - 1) lines.push('');
  return [...lines.slice(0, Math.max(0, rows - 1)), footer(view.sort, columns, paint)];
}

function title({ node, source, now }: PressureView, columns: number, paint: Paint): string {
  const clock = [now.getHours(), now.getMinutes(), now.getSeconds()].map((n) => String(n).padStart(2, '0')).join(':');
  const right = columns >= 60 ? `${source}  ${clock}` : clock;
  const left = fitted(`oomscope pressure  ${printable(node)}`, Math.max(0, columns - columnsOf(right) - 1));
  return `${paint('bold', left)} ${paint('dim', right)}`;
}

function systemLines(system: MemoryRow, swap: PressureView['swap'], columns: number, paint: Paint): string[] {
  const { usedBytes, limitBytes, availableBytes, growth, level } = system;
  const width = columns >= 120 ? 24 : 12;
  const style = levelStyles[level];
  const word = level === 'normal' ? '' : `  ${level}`;
  const bars = `some ${bar(system.some, width)} ${percent(system.some)}  full ${bar(system.full, width)} ${percent(system.full)}`;
  const pressure = fitted(`pressure  ${bars}${word}`, columns);
  const share = limitBytes ? usedBytes / limitBytes : 0;
  const parts = [`${formatBytes(usedBytes)} of ${formatBytes(limitBytes ?? 0)}`];
  if (swap.totalBytes > 0) {
    parts.push(`swap ${formatBytes(swap.totalBytes - swap.freeBytes)} of ${formatBytes(swap.totalBytes)}`);
  }
  parts.push(`${formatBytes(availableBytes)} available`);
  if (growth && isSure(growth)) parts.push(formatRate(growth.bytes_per_second));
  const text = parts.join(', ');
  const usage = fitted(`memory    used ${bar(share, width)} ${percent(share)}  ${text}`, columns);
  return [style ? paint(style, pressure) : pressure, usage];
}

interface Table {
  head: string;
  row: (row: MemoryRow, paint: Paint) => string;
}

/** Chooses as many columns as fit. The name gets the rest of the line, at least 16 characters. */
function tableOf(columns: number): Table {
  const barWidth = columns >= 120 ? 16 : columns >= 100 ? 8 : 4;
  const cells: [head: string, width: number, cell: (row: MemoryRow) => string][] = [
    ['SOME', barWidth + 6, ({ some }) => `${bar(some, barWidth)} ${percent(some)}`],
    ['FULL', barWidth + 6, ({ full }) => `${bar(full, barWidth)} ${percent(full)}`],
    ['USED', 9, ({ usedBytes }) => formatBytes(usedBytes).padStart(9)],
    ['LIMIT', 9, ({ limitBytes }) => (limitBytes === null ? '-' : formatBytes(limitBytes)).padStart(9)],
    ['GROWTH', 12, ({ growth }) => (growth && isSure(growth) ? formatRate(growth.bytes_per_second) : '').padStart(12)],
    ['FULL IN', 8, (row) => timeLeft(row).padStart(8)],
  ];
  const least = 16;
  let width = columns - least;
  const kept = cells.filter(([, cellWidth]) => {
    width -= cellWidth + 1;
    return width >= 0;
  });
  const nameWidth = columns - kept.reduce((sum, [, cellWidth]) => sum + cellWidth + 1, 0);
  const right = (head: string, cellWidth: number) =>
    head === 'SOME' || head === 'FULL' ? fitted(head, cellWidth) : head.padStart(cellWidth);
  const heads = kept.map(([head, cellWidth]) => ` ${right(head, cellWidth)}`).join('');
  return {
    head: fitted('CGROUP', nameWidth) + heads,
    row: (row, paint) => {
      const text =
        fitted(printable(nameOf(row.subject)), nameWidth, 'start') +
        kept.map(([, cellWidth, cell]) => ` ${fitted(cell(row), cellWidth)}`).join('');
      const style = levelStyles[row.level];
      return style ? paint(style, text) : text;
    },
  };
}

const orders: Record<SortKey, (a: MemoryRow, b: MemoryRow) => number> = {
  p: (a, b) => (b.some ?? 0) - (a.some ?? 0) || orders.u(a, b),
  u: (a, b) => share(b) - share(a) || b.usedBytes - a.usedBytes || orders.n(a, b),
  g: (a, b) => speedOf(b) - speedOf(a) || orders.u(a, b),
  l: (a, b) => secondsLeft(a) - secondsLeft(b) || orders.u(a, b),
  n: (a, b) => (a.subject.path < b.subject.path ? -1 : 1),
};

const share = ({ usedBytes, limitBytes }: MemoryRow) => (limitBytes ? usedBytes / limitBytes : 0);
const speedOf = ({ growth }: MemoryRow) => (growth && isSure(growth) ? growth.bytes_per_second : 0);
const secondsLeft = ({ growth }: MemoryRow) =>
  growth && isSure(growth) ? (growth.exhausted_in_seconds ?? Number.POSITIVE_INFINITY) : Number.MAX_VALUE;

/** Is the growth larger than its uncertainty, and more than 1 KiB/s? */
function isSure({ bytes_per_second, uncertainty_bytes_per_second }: NonNullable<MemoryRow['growth']>): boolean {
  return Math.abs(bytes_per_second) > Math.max(1024, uncertainty_bytes_per_second);
}

/** The time until the limit is reached; an empty text if it is longer than a day. */
function timeLeft(row: MemoryRow): string {
  const seconds = secondsLeft(row);
  return seconds < 86_400 ? formatSpan(seconds) : '';
}

function eventLine(event: Note, columns: number, paint: Paint): string {
  const text = fitted(`${event.time.slice(11, 19)}Z ${shortened(event)}`, columns);
  const style: Style | undefined =
    event.severity === 'critical' ? 'red' : event.severity === 'warning' ? 'yellow' : undefined;
  return style ? paint(style, text) : text;
}

/** The message with only the last part of the cgroup's path; the table shows the whole path. */
function shortened({ message, subject }: Note): string {
  const safe = printable(message);
  const path = printable(subject?.path ?? '');
  const name = path.slice(path.lastIndexOf('/'));
  return name.length > 1 && name !== path ? safe.replace(path, `…${name}`) : safe;
}

/** The path of a cgroup; for a container with a known name, the name behind the end of its id. */
function nameOf({ path, container, pod }: PressureSubject): string {
  if (!container?.name) return path;
  return pod?.name ? `${path} ${pod.namespace ?? '?'}/${pod.name}/${container.name}` : `${path} ${container.name}`;
}

function footer(sort: SortKey, columns: number, paint: Paint): string {
  const keys = Object.entries(sortKeys).map(([key, name]) => (key === sort ? `[${key}] ${name}` : `${key} ${name}`));
  return paint('dim', fitted(`q quit  sort ${keys.join('  ')}  ↑↓ scroll`, columns));
}

const eighths = ['', '▏', '▎', '▍', '▌', '▋', '▊', '▉'];

/** Draws a bar. A value above 0 gets at least one step, so that it is visible. */
function bar(value: number | null, width: number): string {
  if (value === null) return '?'.padEnd(width);
  const full = Math.min(1, Math.max(0, value)) * width * 8;
  const steps = value > 0 ? Math.max(1, Math.round(full)) : 0;
  return ('█'.repeat(steps >> 3) + eighths[steps & 7]).padEnd(width, '·');
}

const percent = (value: number | null) =>
  value === null ? '  -  ' : `${String(Math.round(value * 100)).padStart(3)} %`;
