import { ownerOf } from '../containers/container-path.ts';
import { type BadnessDomain, byBadness, OOM_SCORE_ADJ_MIN, oomBadness } from '../kernel-facts/oom-badness.ts';
import type { ProcessRecord } from '../linux/process-record.ts';
import type { EndCandidate, NotSuggested, NotSuggestedReason } from '../model/suggestion.ts';
import { formatBytes, formatPercent, formatRate } from '../text/format.ts';

/** The fields of a process that suggestions use. Kernel threads are left out, because they cannot be ended. */
export type EndableProcess = Pick<
  ProcessRecord,
  | 'pid'
  | 'startTicks'
  | 'uid'
  | 'comm'
  | 'cgroup'
  | 'oomScoreAdj'
  | 'rssBytes'
  | 'anonBytes'
  | 'swapBytes'
  | 'pageTablesBytes'
> & { growthBytesPerSecond: number | null };

/** At most three processes to end, in the kernel's order, and the large processes that must not be ended. */
export interface Suggestion {
  candidates: EndCandidate[];
  excluded: NotSuggested[];
  /** The process whose end would free the most, if it would not help enough. undefined: there are candidates. */
  tooSmall: EndableProcess | undefined;
}

const MOST = 3;
/** A process whose end cures less than this share of the shortage is not suggested. */
const HELPS = 0.1;
/** A shortage is cured when this share of the limit is free. */
const FREE = 0.2;
/** A shortage is at least this share of the limit. */
const LEAST = 0.05;

/** The size of a shortage. @param leftBytes the memory that is left */
export function shortageBytes(limitBytes: number, leftBytes: number): number {
  return Math.round(Math.max(LEAST * limitBytes, FREE * limitBytes - leftBytes));
}

/**
 * Chooses the processes that could be ended to free memory.
 *
 * @param domain the memory that runs out
 * @param neededBytes the size of the shortage
 * @param self the pids of this process and its ancestors, its own first
 */
export function suggest(
  processes: readonly EndableProcess[],
  domain: BadnessDomain,
  neededBytes: number,
  self: readonly number[],
): Suggestion {
  const helps = (process: EndableProcess) => returnsOf(process) >= HELPS * neededBytes;
  const endable = processes
    .filter((process) => notSuggested(process, self) === undefined)
    .map((process) => {
      const { pid, startTicks } = process;
      return { process, pid, startTicks, points: oomBadness(process, domain) ?? 0 };
    })
    .filter(({ points }) => points > 0)
    .sort(byBadness);
  const chosen = endable.filter(({ process }) => helps(process)).slice(0, MOST);
  const excluded = processes
    .toSorted((a, b) => returnsOf(b) - returnsOf(a))
    .flatMap((process) => {
      const reason = notSuggested(process, self);
      if (reason === undefined || !helps(process)) return [];
      return [{ pid: process.pid, comm: process.comm, reason, rss_bytes: process.rssBytes }];
    });
  const candidates = chosen.map(({ process, points }) =>
    candidate(process, {
      badness: points * domain.pageBytes,
      isFirst: process === endable[0]?.process,
      domain,
      neededBytes,
    }),
  );
  const largest = endable.map(({ process }) => process).sort((a, b) => returnsOf(b) - returnsOf(a))[0];
  return { candidates, excluded, tooSmall: candidates.length === 0 ? largest : undefined };
}

/** The most memory and swap that the end of a process frees. */
export const returnsOf = ({ anonBytes, pageTablesBytes, swapBytes }: EndableProcess): number =>
  anonBytes + pageTablesBytes + swapBytes;

function notSuggested({ pid, oomScoreAdj }: EndableProcess, self: readonly number[]): NotSuggestedReason | undefined {
  if (pid === 1) return 'init';
  if (pid === self[0]) return 'self';
  if (self.includes(pid)) return 'ancestor';
  return oomScoreAdj === OOM_SCORE_ADJ_MIN ? 'spared' : undefined;
}

function candidate(
  process: EndableProcess,
  by: { badness: number; isFirst: boolean; domain: BadnessDomain; neededBytes: number },
): EndCandidate {
  const { pid, startTicks, comm, cgroup, oomScoreAdj, anonBytes, swapBytes, pageTablesBytes, growthBytesPerSecond } =
    process;
  const returns = anonBytes + pageTablesBytes;
  const cures = Math.min(1, returnsOf(process) / Math.max(1, by.neededBytes));
  const share = (process.rssBytes + swapBytes) / Math.max(1, by.domain.bytes);
  const reasons = [
    by.isFirst ? ['the kernel would choose it first'] : [],
    `it holds ${formatPercent(share)} of the memory`,
  ];
  const words = reasons.flat();
  if (oomScoreAdj !== 0) words.push(`oom_score_adj ${oomScoreAdj}`);
  if ((growthBytesPerSecond ?? 0) > 0) words.push(`it grows ${formatRate(growthBytesPerSecond ?? 0)}`);
  words.push(`ending it frees up to ${formatBytes(returns)}, ${formatPercent(cures)} of the shortage`);
  return {
    pid,
    start_ticks: startTicks,
    comm,
    cgroup,
    ...ownerOf(cgroup),
    oom_score_adj: oomScoreAdj,
    badness_bytes: by.badness,
    returns_bytes: returns,
    returns_swap_bytes: swapBytes,
    cures: Math.round(cures * 1000) / 1000,
    growth_bytes_per_second: growthBytesPerSecond,
    reason: words.join(', '),
  };
}
