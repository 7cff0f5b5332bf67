/** The table of `oomscope k8s top`. */
import { type TopContainer, type TopRow, topRow } from '../../../kubernetes/top-row.ts';
import type { Paint } from '../../../render/paint.ts';
import { fitted } from '../../../render/width.ts';
import { formatBytes, formatPercent, formatRate, formatSpan } from '../../../text/format.ts';
import { printable } from '../../../text/printable.ts';

/** How full it is, more if tasks wait, and most if it will reach its limit soon. */
function danger(row: TopRow): number {
  const soon = row.growth?.exhausted_in_seconds ?? null;
  return full(row) + (row.some ?? 0) / 100 + (soon === null ? 0 : 60 / (60 + soon));
}

export const byDanger = (a: TopContainer, b: TopContainer): number => danger(topRow(b)) - danger(topRow(a));

const full = ({ heldBytes, limit }: TopRow) => (limit === null ? 0 : heldBytes / limit.limit_bytes);

const HEAD = ['HELD', 'REQUEST', 'LIMIT', 'FULL', 'LEFT', 'SOME', 'GROWTH', 'KILLS'];

/** @returns lines, of which the first is the head */
export function table(containers: readonly TopContainer[], paint: Paint, columns: number): string[] {
  const shown = containers.map(topRow);
  const rows = shown.map(cells);
  const widths = HEAD.map((title, i) => Math.max(title.length, ...rows.map((row) => row[i]?.length ?? 0)));
  const isMany = new Set(containers.map(({ kubernetes: { node } }) => node)).size > 1;
  const names = containers.map(({ kubernetes: { namespace, pod, uid, container, node } }) =>
    printable(`${isMany ? `${node ?? '?'} ` : ''}${namespace ?? '?'}/${pod ?? uid} ${container ?? '?'}`),
  );
  const others = widths.reduce((sum, width) => sum + width + 2, 0);
  const width = Math.max(20, Math.min(Math.max(...names.map((name) => name.length)), columns - others));
  const line = (name: string, row: readonly string[]) =>
    `${fitted(name, width)}  ${row.map((cell, i) => cell.padStart(widths[i] ?? 0)).join('  ')}`;
  const colour = (share: number, text: string) =>
    share > 0.9 ? paint('red', text) : share > 0.75 ? paint('yellow', text) : text;
  return [
    paint('dim', line(isMany ? 'NODE POD CONTAINER' : 'POD CONTAINER', HEAD)),
    ...rows.map((row, i) => colour(full(shown[i] as TopRow), line(names[i] as string, row))),
  ];
}

function cells(row: TopRow): string[] {
  const { kubernetes, heldBytes, limit, some, growth, kills } = row;
  const whose = { container: '', pod: ' (pod)', above: ' (above)' };
  const time = growth?.exhausted_in_seconds == null ? '' : ` ${formatSpan(growth.exhausted_in_seconds)}`;
  const request = kubernetes.container_memory?.request_bytes ?? null;
  return [
    formatBytes(heldBytes),
    request === null ? '-' : formatBytes(request),
    limit === null ? 'none' : `${formatBytes(limit.limit_bytes)}${whose[limit.of]}`,
    limit === null ? '-' : formatPercent(full(row)),
    limit === null ? '-' : formatBytes(limit.left_bytes),
    some === null ? '-' : `${some} %`,
    growth ? `${formatRate(growth.bytes_per_second)}${time}` : '-',
    String(kills ?? '-'),
  ];
}
