/** The list and the sums of the history as text. */
import type { Bucket, Extent, Row, Sum } from '../../../history/query.ts';
import type { Paint } from '../../../render/paint.ts';
import { printable } from '../../../text/printable.ts';

const colours = {
  killed: 'red',
  group_member: 'red',
  shared_memory: 'red',
  logged: 'red',
  other: 'red',
  signal: 'yellow',
  stuck: 'red',
  guard: 'yellow',
  lost: 'yellow',
} as const;

/** One line for each entry: number, time, kind and the sentence of the event, cut to the width of the terminal. */
export function listText(rows: readonly Row[], paint: Paint, width: number): string {
  const digits = Math.max(...rows.map(({ number }) => String(number).length));
  let day = '';
  return rows
    .flatMap((row) => {
      const date = new Date(row.timeMs);
      const today = localDay(date);
      const head = today === day ? [] : [paint('bold', today)];
      day = today;
      const kind = row.kind.replaceAll('_', ' ').padEnd(13);
      const colour = colours[row.kind as keyof typeof colours];
      const before = digits + 1 + 12 + 1 + 13 + 1;
      const where = row.logged ? '(log) ' : '';
      const sentence = cut(where + printable(row.event.message), Math.max(40, width - before));
      const shown = colour ? paint(colour, kind) : paint('dim', kind);
      return [...head, `${String(row.number).padStart(digits)} ${clockOf(date)} ${shown} ${sentence}`];
    })
    .join('\n');
}

const two = (value: number) => String(value).padStart(2, '0');
const localDay = (date: Date) => `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
const clockOf = (date: Date) =>
  `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}.${String(date.getMilliseconds()).padStart(3, '0')}`;

const cut = (text: string, most: number) => (text.length > most ? `${text.slice(0, most - 1)}…` : text);

const columns: readonly [keyof Sum, string][] = [
  ['kernel', 'kernel'],
  ['logged', 'from log'],
  ['guard', 'guard'],
  ['other', 'others'],
  ['signal', 'signals'],
  ['pressure', 'pressure'],
];

export function statsText(sums: readonly Sum[], by: Bucket): string {
  const head = { day: 'day', hour: 'hour of the day', workload: 'workload' }[by];
  const total: Sum = {
    name: 'all',
    ...{ kernel: 0, logged: 0, guard: 0, other: 0, signal: 0, pressure: 0 },
  };
  for (const sum of sums) for (const [key] of columns) (total[key] as number) += sum[key] as number;
  const shown = columns.filter(([key]) => key === 'kernel' || total[key] !== 0);
  const width = Math.min(60, Math.max(head.length, ...sums.map(({ name }) => name.length)));
  const row = (name: string, cells: readonly string[]) =>
    `${cut(printable(name), width).padEnd(width)}  ${cells.map((cell) => cell.padStart(9)).join(' ')}`;
  const lines = [...sums, total].map((sum) =>
    row(
      sum.name,
      shown.map(([key]) => String(sum[key] === 0 ? '·' : sum[key])),
    ),
  );
  return [
    row(
      head,
      shown.map(([, title]) => title),
    ),
    ...lines,
  ].join('\n');
}

/** What the limits of the history have removed, as sentences. */
export function extentNotes({ removed, firstMs }: Extent): string[] {
  return removed.map(({ cause, entries, beforeMs }) => {
    const before = new Date(Math.max(beforeMs, 0)).toISOString().slice(0, 16).replace('T', ' ');
    const begins =
      firstMs === null
        ? ''
        : ` It begins at ${new Date(firstMs).toISOString().slice(0, 16).replace('T', ' ')} UTC now.`;
    return cause === 'age'
      ? `The history has dropped ${entries} entries from before ${before} UTC (max_age).`
      : `The history has dropped ${entries} entries from before ${before} UTC, because its file is full (max_size).${begins}`;
  });
}
