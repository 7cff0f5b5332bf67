/** The figures of a report: holders of the memory, zones, free blocks, and sums by name and owner. */

import { shortId } from '../../model/container.ts';
import type { OomReport, ReportFragmentation, ReportSum, ReportSums } from '../../model/oom-report.ts';
import { formatBytes, formatShare } from '../../text/format.ts';
import { restOf } from '../verdict/holders.ts';
import { shareBar, zoneChart } from './charts.ts';
import { card, folded, safe } from './markup.ts';

const FEW = 8;

export function holdersView({ verdict, victim, tasks }: OomReport): string {
  const most = verdict.holders[0]?.bytes ?? 0;
  if (most === 0) return '';
  const rows = verdict.holders.map(({ name, pid, processes, bytes, share }) => {
    const killed = pid !== null && pid === victim?.pid;
    const many = processes > 1 ? ` <span class="dim">${processes} processes</span>` : '';
    const who = `${safe(name)}${many}${pid === null ? '' : ` <span class="dim">${pid}</span>`}${killed ? ' <b>killed</b>' : ''}`;
    return `<tr${killed ? ' class="killed"' : ''}>${bar(who, bytes, share, bytes / most, killed ? 'victim-bar' : 'holder-bar')}</tr>`;
  });
  const rest = restOf(tasks, verdict.holders);
  const more = `<p class="dim">${rest.processes} more ${rest.processes === 1 ? 'process' : 'processes'} hold ${formatBytes(rest.bytes)} together.</p>`;
  return `<table>${rows.join('')}</table>${rest.processes === 0 ? '' : more}`;
}

const bar = (name: string, bytes: number, share: number | null, length: number, kind: string) =>
  `<th scope="row" class="name">${name}</th><td class="figure">${formatBytes(bytes)}</td><td class="figure dim">${share === null ? '' : formatShare(share)}</td><td class="chart">${shareBar(length, kind)}</td>`;

export function zonesView({ memory }: OomReport): string {
  const list = memory?.zones.filter(({ high_bytes, managed_bytes }) => high_bytes > 0 && managed_bytes !== 0) ?? [];
  const rows = list.map((zone) => {
    const marks = `min ${formatBytes(zone.min_bytes)} · low ${formatBytes(zone.low_bytes)} · high ${formatBytes(zone.high_bytes)}`;
    return `<div class="zone-row"><p>node ${zone.node} ${safe(zone.name)}: <b>${formatBytes(zone.free_bytes)} free</b> <span class="dim">${marks}</span></p>${zoneChart(zone)}</div>`;
  });
  return rows.join('');
}

export function fragmentationView({ text, zones }: ReportFragmentation): string {
  const rows = zones.map(({ node, name, usable, largest_order, large_enough, too_small_share }) => {
    const cells = [
      usable ? 'yes' : 'no',
      largest_order === null ? 'none' : `order ${largest_order}`,
      large_enough ?? '',
      too_small_share === null ? '' : formatShare(too_small_share),
    ];
    return `<tr><th scope="row">node ${node} ${safe(name)}</th>${cells.map((cell) => `<td class="figure">${cell}</td>`).join('')}</tr>`;
  });
  const heads = ['usable', 'largest free block', 'blocks large enough', 'free memory in smaller blocks'];
  const table =
    rows.length === 0
      ? ''
      : `<table class="blocks"><thead><tr><th scope="col">zone</th>${heads.map((head) => `<th scope="col" class="figure">${head}</th>`).join('')}</tr></thead><tbody>${rows.join('')}</tbody></table>`;
  return `<p>${safe(text)}</p>${table}`;
}

/** Sums by name, user, unit, pod, container and cgroup. */
export function sumsView(sums: ReportSums): string {
  const kinds: [string, readonly ReportSum[]][] = [
    ['By name', sums.by_name],
    ['By user', sums.by_user.map((one) => ({ ...one, name: one.name === '0' ? '0 (root)' : one.name }))],
    ['By service or scope', sums.by_unit],
    ['By pod', sums.by_pod],
    ['By container', sums.by_container.map((one) => ({ ...one, name: shortId(one.name) }))],
    ['By cgroup', sums.by_cgroup],
  ];
  const totals: Record<string, number> = { 'By name': sums.names, 'By user': sums.users };
  const cards = kinds.map(([title, list]) =>
    card(title, sumTable(list, totals[title] ?? list.length, title === 'By name')),
  );
  const whole =
    sums.whole_bytes === null
      ? ''
      : ` The shares are of ${formatBytes(sums.whole_bytes)}, ${sums.whole === 'ram' ? 'the memory of the machine' : 'the limit'}.`;
  const { processes, bytes } = sums.unplaced;
  const unplaced =
    processes === 0
      ? ''
      : ` The kernel’s table has no cgroups: ${processes} processes with ${formatBytes(bytes)} belong to services, pods and containers that the log does not name.`;
  const body = cards.join('');
  return body === ''
    ? ''
    : `<h3>Memory summed</h3><p class="dim">Resident memory and swap.${whole}${unplaced} A page that processes share counts for each of them.</p><div class="cards">${body}</div>`;
}

/** @param alone a single process is the usual case, and is not mentioned */
function sumTable(list: readonly ReportSum[], total: number, alone: boolean): string {
  const most = Math.max(1, list[0]?.bytes ?? 0);
  const rows = list.map(({ name, processes, bytes, share, measured }) => {
    const many =
      processes === 0 || (alone && processes === 1) ? '' : processes === 1 ? '1 process' : `${processes} processes`;
    const note = [many, measured === 'usage' ? 'by the kernel’s account' : ''].filter((one) => one !== '').join(', ');
    return `<tr>${bar(`${safe(name)} <span class="dim">${note}</span>`, bytes, share, bytes / most, 'holder-bar')}</tr>`;
  });
  const cut = total > list.length ? `<p class="dim">The ${list.length} largest of ${total}.</p>` : '';
  return rows.length === 0 ? '' : `${folded(rows, FEW, (some) => `<table>${some}</table>`)}${cut}`;
}
