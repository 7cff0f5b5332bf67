/** Whom it would help to end: the kernel's own order, without those that must not be ended, each with the reason. */

import type { EndCandidate, NotSuggested, NotSuggestedReason } from '../model/suggestion.ts';
import { formatBytes, formatRate } from '../text/format.ts';

/** What is known of a process of the subject. Threads of the kernel are left out: they cannot be ended and hold nothing. */
export interface EndableProcess {
  pid: number;
  startTicks: number;
  comm: string;
  cgroup: string | null;
  oomScoreAdj: number;
  anonBytes: number;
  rssBytes: number;
  swapBytes: number;
  pageTablesBytes: number;
  growthBytesPerSecond: number | null;
}

export interface Suggestion {
  candidates: EndCandidate[];
  excluded: NotSuggested[];
}

const MOST = 3;

/**
 * @param domainBytes what runs out: the limit, or RAM and swap
 * @param self this process and those that it was started from, itself first
 */
export function suggest(
  processes: readonly EndableProcess[],
  domainBytes: number,
  self: readonly number[],
): Suggestion {
  const ranked = processes
    .map((process) => ({ process, badness: badness(process, domainBytes), not: notSuggested(process, self) }))
    .sort((a, b) => b.badness - a.badness || a.process.pid - b.process.pid);
  const candidates = ranked.filter(({ not, badness }) => not === undefined && badness > 0).slice(0, MOST);
  const last = candidates.at(-1)?.process;
  const size = (process: EndableProcess) => process.rssBytes + process.swapBytes;
  const excluded = ranked.flatMap(({ process, not }) =>
    not !== undefined && (candidates.length < MOST || !last || size(process) >= size(last))
      ? [{ pid: process.pid, comm: process.comm, reason: not, rss_bytes: process.rssBytes }]
      : [],
  );
  return {
    candidates: candidates.map(({ process, badness }, i) => candidate(process, badness, i, domainBytes)),
    excluded,
  };
}

/** mm/oom_kill.c oom_badness(), in bytes. */
function badness(process: EndableProcess, domainBytes: number): number {
  const { rssBytes, swapBytes, pageTablesBytes, oomScoreAdj } = process;
  return rssBytes + swapBytes + pageTablesBytes + (oomScoreAdj * domainBytes) / 1000;
}

function notSuggested({ pid, oomScoreAdj }: EndableProcess, self: readonly number[]): NotSuggestedReason | undefined {
  if (pid === 1) return 'init';
  if (pid === self[0]) return 'self';
  if (self.includes(pid)) return 'ancestor';
  return oomScoreAdj === -1000 ? 'spared' : undefined;
}

function candidate(process: EndableProcess, badness: number, place: number, domainBytes: number): EndCandidate {
  const { pid, startTicks, comm, cgroup, oomScoreAdj, anonBytes, swapBytes, pageTablesBytes, growthBytesPerSecond } =
    process;
  const returns = anonBytes + pageTablesBytes;
  const share = Math.round((100 * (process.rssBytes + swapBytes)) / Math.max(1, domainBytes));
  const reasons = [place === 0 ? 'the kernel would take it first' : `holds ${share} % of what there is`];
  if (place === 0) reasons.push(`holds ${share} % of what there is`);
  if (oomScoreAdj !== 0) reasons.push(`oom_score_adj ${oomScoreAdj}`);
  if ((growthBytesPerSecond ?? 0) > 0) reasons.push(`grows ${formatRate(growthBytesPerSecond ?? 0)}`);
  reasons.push(`its end gives back up to ${formatBytes(returns)}`);
  return {
    pid,
    start_ticks: startTicks,
    comm,
    cgroup,
    oom_score_adj: oomScoreAdj,
    badness_bytes: Math.round(badness),
    returns_bytes: returns,
    returns_swap_bytes: swapBytes,
    growth_bytes_per_second: growthBytesPerSecond,
    reason: reasons.join(', '),
  };
}
