/** Writes the table of scores as lines of text that are as wide as the terminal. */
import { shortId } from '../../../model/container.ts';
import type { Score, ScoreSample } from '../../../model/score.ts';
import type { Paint } from '../../../render/paint.ts';
import { fitted } from '../../../render/width.ts';
import { formatBytes, formatRate, formatSpan } from '../../../text/format.ts';
import { printable } from '../../../text/printable.ts';

interface Column {
  title: string;
  width: number;
  /**
   * If the terminal is narrow, the columns with the highest number are left out first. 0: the column is never left
   * out.
   */
  dispensable: number;
  left?: boolean;
  text: (score: Score, before: Score | undefined) => string;
}

const dash = '–';
const columns: Column[] = [
  { title: 'RANK', width: 4, dispensable: 0, text: ({ rank }) => (rank === null ? 'safe' : String(rank)) },
  { title: 'PID', width: 7, dispensable: 0, text: ({ pid }) => String(pid) },
  { title: 'UID', width: 6, dispensable: 6, text: ({ uid }) => String(uid) },
  { title: 'ADJ', width: 5, dispensable: 0, text: ({ oom_score_adj }) => String(oom_score_adj) },
  {
    title: 'SCORE',
    width: 5,
    dispensable: 4,
    text: ({ oom_score }) => (oom_score === null ? dash : String(oom_score)),
  },
  { title: '+/-', width: 5, dispensable: 3, text: change },
  { title: 'MEM‰', width: 6, dispensable: 0, text: ({ memory_per_mille }) => memory_per_mille.toFixed(1) },
  { title: 'BAD‰', width: 7, dispensable: 5, text: ({ badness_per_mille }) => badness_per_mille?.toFixed(1) ?? dash },
  { title: 'RSS', width: 9, dispensable: 0, text: ({ rss_bytes }) => formatBytes(rss_bytes) },
  { title: 'SWAP', width: 9, dispensable: 2, text: ({ swap_bytes }) => formatBytes(swap_bytes) },
  { title: 'PTABLES', width: 9, dispensable: 7, text: ({ page_tables_bytes }) => formatBytes(page_tables_bytes) },
  { title: 'GROWTH', width: 12, dispensable: 1, text: ({ growth }) => rate(growth) },
  { title: 'FULL IN', width: 8, dispensable: 1, text: ({ growth }) => until(growth) },
  { title: 'NAME', width: 16, dispensable: 0, left: true, text: ({ comm }) => printable(comm) },
];

/** Returns the line that is printed above the table. */
export function summary({ domain, domain_bytes, available_bytes, candidates }: ScoreSample): string {
  const what = domain.scope === 'system' ? 'RAM and swap' : `limit of ${printable(domain.path)}`;
  const left = available_bytes === null ? '' : `, ${formatBytes(available_bytes)} left`;
  return `${what}: ${formatBytes(domain_bytes)}${left}; ${candidates} processes could be killed`;
}

/**
 * @param before the previous sample's scores by pid and start time, to show changes; undefined: there is only one
 * sample
 */
export function scoreLines(
  sample: ScoreSample,
  width: number,
  paint: Paint,
  before?: ReadonlyMap<string, Score>,
): string[] {
  // From a single sample, neither growth nor change can be computed.
  const moving = columns.filter(({ dispensable }) => before !== undefined || ![1, 3].includes(dispensable));
  const used = fitting(moving, width);
  const place = Math.max(0, Math.min(width - widthOf(used) - 1, 64));
  const heading = used.map(({ title, width, left }) => (left ? title.padEnd(width) : title.padStart(width))).join(' ');
  const rows = sample.scores.map((score) => {
    const cells = used.map(({ width, left, text }) => {
      const cell = text(score, before?.get(`${score.pid}:${score.start_ticks}`));
      return left ? fitted(cell, width) : cell.padStart(width);
    });
    const where = place >= 12 ? ` ${fitted(ownerOf(score), place, 'start').trimEnd()}` : '';
    return emphasis(score, `${cells.join(' ')}${where}`, paint);
  });
  return [paint('dim', place >= 12 ? `${heading} WHERE` : heading), ...rows];
}

const widthOf = (used: readonly Column[]) => used.reduce((sum, column) => sum + column.width + 1, -1);

function fitting(wanted: readonly Column[], width: number): readonly Column[] {
  let used = wanted;
  while (widthOf(used) > width) {
    const most = Math.max(...used.map(({ dispensable }) => dispensable));
    if (most === 0) break;
    used = used.filter(({ dispensable }) => dispensable < most);
  }
  return used;
}

/** The name of the process's container or unit, or the path of its cgroup if it has neither. */
function ownerOf({ container, unit, cgroup }: Score): string {
  if (container) return printable(container.name ?? `${container.runtime ?? 'container'} ${shortId(container.id)}`);
  return printable(unit ?? cgroup ?? dash);
}

/** Chooses the colour of a row by the share of memory and by the time until memory is full. The score shows neither. */
function emphasis({ memory_per_mille, growth, spared }: Score, line: string, paint: Paint): string {
  const seconds = growth?.exhausted_in_seconds_range?.[1] ?? null;
  if (seconds !== null && seconds < 60) return paint('red', line);
  if (memory_per_mille >= 500 || (seconds !== null && seconds < 600)) return paint('yellow', line);
  return spared === null ? line : paint('dim', line);
}

function change({ oom_score }: Score, before: Score | undefined): string {
  if (oom_score === null || before?.oom_score == null || oom_score === before.oom_score) return '';
  const difference = oom_score - before.oom_score;
  return difference > 0 ? `+${difference}` : String(difference);
}

/** The growth in bytes per second. It is 0 if the growth is smaller than its uncertainty. */
function rate(growth: Score['growth']): string {
  if (growth === null) return dash;
  const { bytes_per_second, uncertainty_bytes_per_second } = growth;
  return Math.abs(bytes_per_second) <= uncertainty_bytes_per_second ? '0' : formatRate(bytes_per_second);
}

function until(growth: Score['growth']): string {
  if (growth === null || rate(growth) === '0' || growth.exhausted_in_seconds === null) return '';
  return growth.exhausted_in_seconds > 86400 ? '> 1 d' : formatSpan(growth.exhausted_in_seconds);
}
