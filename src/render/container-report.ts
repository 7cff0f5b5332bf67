/**
 * Reports about containers as text: one container in full, or many in a table.
 */

import { shortId } from '../model/container.ts';
import type { ContainerMemory, ContainerReport } from '../model/container-report.ts';
import { formatBytes, formatPercent, formatRate, formatSpan } from '../text/format.ts';
import { printable } from '../text/printable.ts';
import type { Paint } from './paint.ts';
import { containerLine } from './terminal.ts';

const LABEL = 11;

export function renderReport(report: ContainerReport, paint: Paint): string {
  const { container, pod, memory } = report;
  const rows: [string, string][] = [];
  if (memory) rows.push(...memoryRows(memory));
  rows.push(['process', process(report)]);
  if (memory) rows.push(['cgroup', printable(memory.cgroup)]);
  const title = container ? containerLine(container, pod) : '?';
  const [name = '', ...rest] = title.split(/(?=[ ,])/);
  const colour = { critical: 'red', warning: 'yellow', info: 'dim' } as const;
  return [
    `${paint('bold', name)}${rest.join('')}`,
    ...rows.map(([label, text]) => `  ${paint('dim', label.padEnd(LABEL))}${text}`),
    ...report.remarks.map(
      ({ severity, text }) =>
        `  ${paint(colour[severity], severity === 'info' ? 'note' : severity.toUpperCase())}: ${text}`,
    ),
  ].join('\n');
}

function memoryRows(memory: ContainerMemory): [string, string][] {
  const { limit_bytes: limit, effective_limit: effective, stat, counts, pressure, growth } = memory;
  const own = limit === null ? 'none of its own' : formatBytes(limit);
  const elsewhere =
    effective && effective.path !== memory.cgroup
      ? `; ${printable(effective.path)} has ${formatBytes(effective.limit_bytes)}`
      : '';
  const swap = swapLimit(memory);
  const room = effective === null ? null : effective.left_bytes + stat.inactive_file_bytes;
  const rows: [string, string][] = [
    ['limit', `${own}${swap}${elsewhere}`],
    [
      'in use',
      `${formatBytes(memory.working_set_bytes)}${share(memory.working_set_bytes, limit)} as \`docker stats\` counts, ${formatBytes(memory.usage_bytes)} with all file pages`,
    ],
    [
      'held',
      `${formatBytes(memory.unreclaimable_bytes)}${share(memory.unreclaimable_bytes, limit)} cannot be reclaimed`,
    ],
    ['made of', madeOf(stat)],
  ];
  if (memory.peak_bytes !== null)
    rows.push(['peak', `${formatBytes(memory.peak_bytes)}${share(memory.peak_bytes, limit)}, file pages included`]);
  if (room !== null) rows.push(['headroom', formatBytes(room)]);
  if (growth) rows.push(['growth', growthText(growth)]);
  const hits = counts.limit_hits === null ? 'limit hits not counted' : `limit hit ${counts.limit_hits} times`;
  const high = counts.high ? `, throttled ${counts.high} times` : '';
  const kills = counts.oom_kills === null ? '' : `, OOM kills ${counts.oom_kills}`;
  rows.push(['counted', `${hits}${high}${kills}${memory.oom_group ? ' (memory.oom.group: one takes all)' : ''}`]);
  if (pressure) {
    const { some, full } = pressure;
    rows.push(['pressure', `some ${some.avg10} % full ${full.avg10} % of 10 s; some ${some.avg300} % of 5 min`]);
  }
  return rows;
}

function swapLimit(memory: ContainerMemory): string {
  if (memory.swap_limit_bytes !== null) return `, swap ${formatBytes(memory.swap_limit_bytes)}`;
  if (memory.memory_and_swap_limit_bytes === null) return '';
  return `, with swap ${formatBytes(memory.memory_and_swap_limit_bytes)}`;
}

function madeOf(stat: ContainerMemory['stat']): string {
  const parts = [
    ['anonymous', stat.anon_bytes],
    ['file', Math.max(0, stat.file_bytes - stat.shmem_bytes)],
    ['shared', stat.shmem_bytes],
    ['kernel', stat.kernel_bytes],
  ] as const;
  return parts
    .filter(([, bytes]) => bytes !== null)
    .map(([name, bytes]) => `${name} ${formatBytes(bytes as number)}`)
    .join(', ');
}

function growthText({
  bytes_per_second,
  uncertainty_bytes_per_second,
  exhausted_in_seconds,
}: NonNullable<ContainerMemory['growth']>): string {
  if (Math.abs(bytes_per_second) <= uncertainty_bytes_per_second) return 'none that is certain';
  const until = exhausted_in_seconds === null ? '' : `, at the limit in ${formatSpan(exhausted_in_seconds)}`;
  return `${formatRate(bytes_per_second)} ± ${formatBytes(uncertainty_bytes_per_second)}/s${until}`;
}

function process(report: ContainerReport): string {
  const { state, pid, exit_code, finished_at, restart_count, restart_policy, configured } = report;
  if (state === null) return 'unknown: no runtime knows it';
  const parts = [pid === null ? state : `${state}, pid ${pid}`];
  if (exit_code !== null && state !== 'created') parts.push(`exit code ${exit_code}`);
  if (finished_at !== null && pid === null) parts.push(`ended ${finished_at.slice(0, 19)}Z`);
  if (configured && configured.oom_score_adj !== 0) parts.push(`oom_score_adj ${configured.oom_score_adj}`);
  if (restart_policy !== null && restart_policy !== 'no')
    parts.push(`restart ${restart_policy} (${restart_count} so far)`);
  return parts.join(', ');
}

const share = (bytes: number, limit: number | null) => (limit === null ? '' : ` (${formatPercent(bytes / limit)})`);

const IMAGE = 9;

/**
 * A table: running containers first, the fullest on top.
 *
 * @param columns width of the terminal; names and images are cut to fit
 */
export function renderTable(reports: readonly ContainerReport[], paint: Paint, columns: number): string {
  const full = ({ memory }: ContainerReport) =>
    memory ? memory.unreclaimable_bytes / (memory.effective_limit?.limit_bytes ?? Number.POSITIVE_INFINITY) : -1;
  const sorted = [...reports].sort((a, b) => full(b) - full(a));
  const head = ['CONTAINER', 'STATE', 'USED', 'LIMIT', 'HELD', 'PEAK', 'HITS', 'KILLS', 'SOME', 'IMAGE'];
  const rows = sorted.map(({ container, state, memory, exit_code }) => [
    printable(container?.name ?? shortId(container?.id ?? '?')),
    state === 'exited' ? `exit ${exit_code}` : (state ?? '?'),
    memory ? formatBytes(memory.working_set_bytes) : '-',
    memory ? (memory.limit_bytes === null ? 'none' : formatBytes(memory.limit_bytes)) : '-',
    memory && memory.limit_bytes !== null ? formatPercent(memory.unreclaimable_bytes / memory.limit_bytes) : '-',
    memory?.peak_bytes == null ? '-' : formatBytes(memory.peak_bytes),
    String(memory?.counts.limit_hits ?? '-'),
    String(memory?.counts.oom_kills ?? '-'),
    memory?.pressure ? `${memory.pressure.some.avg10} %` : '-',
    printable(container?.image ?? '-'),
  ]);
  const widths = head.map((title, i) => Math.max(title.length, ...rows.map((row) => (row[i] as string).length)));
  const others = widths.slice(1, -1).reduce((a, b) => a + b + 2, 0);
  // The image name gets the remaining columns, if these are enough to be useful.
  widths[0] = Math.max(9, Math.min(widths[0] as number, 40, columns - others - 2));
  const room = columns - others - (widths[0] as number) - 2;
  const shown = room < 8 ? IMAGE : IMAGE + 1;
  widths[IMAGE] = room;
  const line = (cells: string[]) =>
    cells
      .slice(0, shown)
      .map((cell, i) => {
        const width = widths[i] as number;
        const cut = cell.length > width ? `${cell.slice(0, width - 1)}…` : cell;
        return i >= 2 && i < IMAGE ? cut.padStart(width) : cut.padEnd(width);
      })
      .join('  ')
      .trimEnd();
  const colour = (report: ContainerReport, text: string) => {
    const worst = report.remarks[0]?.severity;
    return worst === 'critical' ? paint('red', text) : worst === 'warning' ? paint('yellow', text) : text;
  };
  return [paint('dim', line(head)), ...rows.map((row, i) => colour(sorted[i] as ContainerReport, line(row)))].join(
    '\n',
  );
}
