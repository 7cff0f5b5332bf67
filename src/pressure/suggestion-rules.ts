import { ownerOf } from '../containers/container-path.ts';
import { type BadnessDomain, byBadness, OOM_SCORE_ADJ_MIN, oomBadness } from '../kernel-facts/oom-badness.ts';
import type { ProcessRecord } from '../linux/process-record.ts';
import type { EndCandidate, NotSuggested, NotSuggestedReason } from '../model/suggestion.ts';
import { formatBytes, formatRate } from '../text/format.ts';

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
}

const MOST = 3;

/**
 * Chooses the processes that could be ended to free memory.
 *
 * @param domain the memory that runs out
 * @param self the pids of this process and its ancestors, its own first
 */
export function suggest(
  processes: readonly EndableProcess[],
  domain: BadnessDomain,
  self: readonly number[],
): Suggestion {
  const candidates = processes
    .filter((process) => notSuggested(process, self) === undefined)
    .map((process) => {
      const { pid, startTicks } = process;
      return { process, pid, startTicks, points: oomBadness(process, domain) ?? 0 };
    })
    .filter(({ points }) => points > 0)
    .sort(byBadness)
    .slice(0, MOST);
  const size = (process: EndableProcess) => process.rssBytes + process.swapBytes;
  const last = candidates.at(-1)?.process;
  const excluded = processes
    .toSorted((a, b) => size(b) - size(a))
    .flatMap((process) => {
      const reason = notSuggested(process, self);
      if (reason === undefined || (candidates.length === MOST && last && size(process) < size(last))) return [];
      return [{ pid: process.pid, comm: process.comm, reason, rss_bytes: process.rssBytes }];
    });
  return {
    candidates: candidates.map(({ process, points }, i) => candidate(process, points * domain.pageBytes, i, domain)),
    excluded,
  };
}

function notSuggested({ pid, oomScoreAdj }: EndableProcess, self: readonly number[]): NotSuggestedReason | undefined {
  if (pid === 1) return 'init';
  if (pid === self[0]) return 'self';
  if (self.includes(pid)) return 'ancestor';
  return oomScoreAdj === OOM_SCORE_ADJ_MIN ? 'spared' : undefined;
}

function candidate(process: EndableProcess, badness: number, place: number, { bytes }: BadnessDomain): EndCandidate {
  const { pid, startTicks, comm, cgroup, oomScoreAdj, anonBytes, swapBytes, pageTablesBytes, growthBytesPerSecond } =
    process;
  const returns = anonBytes + pageTablesBytes;
  const share = Math.round((100 * (process.rssBytes + swapBytes)) / Math.max(1, bytes));
  const reasons = [place === 0 ? ['the kernel would choose it first'] : [], `it holds ${share} % of the memory`].flat();
  if (oomScoreAdj !== 0) reasons.push(`oom_score_adj ${oomScoreAdj}`);
  if ((growthBytesPerSecond ?? 0) > 0) reasons.push(`it grows ${formatRate(growthBytesPerSecond ?? 0)}`);
  reasons.push(`ending it frees up to ${formatBytes(returns)}`);
  return {
    pid,
    start_ticks: startTicks,
    comm,
    cgroup,
    ...ownerOf(cgroup),
    oom_score_adj: oomScoreAdj,
    badness_bytes: badness,
    returns_bytes: returns,
    returns_swap_bytes: swapBytes,
    growth_bytes_per_second: growthBytesPerSecond,
    reason: reasons.join(', '),
  };
}
