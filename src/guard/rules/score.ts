/**
 * Computes the points of a candidate. As for oom_score_adj, 1000 points correspond to the cgroup's limit, or to all RAM
 * and swap. Other ranks use the same scale: growth per minute, and pressure in thousandths. `projected` is the badness
 * in PROJECTED_SECONDS if every process continues to grow at its current rate.
 */
import { badnessRules, oomBadness } from '../../kernel-facts/oom-badness.ts';
import type { GuardCandidate, GuardTarget } from '../../model/guard.ts';
import type { Sample, SampledProcess } from '../../model/sample.ts';
import { ownBytes } from './forked.ts';
import { matches } from './match.ts';
import { nearestAncestor } from './protect.ts';
import type { Rule } from './rule.ts';
import { type Place, TICKS_PER_SECOND, type Unit } from './unit.ts';

export const PROJECTED_SECONDS = 30;
/** Points that `user.oomd_avoid` adds: a candidate with this attribute comes after the candidates without it. */
const AVOID_POINTS = -1000;
/** Badness is computed in bytes (a page size of 1), because a sample does not contain the page size of its machine. */
const UNROUNDED = 1;
/**
 * All kernels that oomscope supports (5.10 and later) compute badness by the same rules; only the accuracy of RSS
 * differs.
 */
const kernelRules = badnessRules([7, 0]);

/** @param members at least one process; the candidate was chosen by the values of the first one */
export function scoreOf(
  members: readonly SampledProcess[],
  unit: Unit,
  { rule, sample, place }: { rule: Rule; sample: Sample; place: Place },
): GuardCandidate {
  const lead = members[0] as SampledProcess;
  const path = unit.cgroup ?? lead.cgroup;
  const target: GuardTarget = {
    takes: unit.kind,
    pid: lead.pid,
    start_ticks: lead.start_ticks,
    pgid: lead.pgid,
    uid: lead.uid,
    comm: lead.comm,
    cgroup: path,
    unit: lead.unit,
    pod: lead.pod,
    container: lead.container,
    rss_bytes: sum(members, ({ rss_bytes }) => rss_bytes),
    swap_bytes: sum(members, ({ swap_bytes }) => swap_bytes),
    oom_score_adj: lead.oom_score_adj,
    processes: members.length,
  };
  const base = rounded(basePoints(target, members, { rule, sample, place, storm: unit.storm !== undefined }));
  const moves = movesOf(members, path, rule, place);
  return {
    target,
    score: rounded(moves.reduce((total, { by }) => total + by, base)),
    base,
    adjusted_by: moves.map(({ text, by }) => `${text} ${by > 0 ? '+' : ''}${rounded(by)}`),
  };
}

/** Points by the rule's rank, without the rule's preferences. */
function basePoints(
  target: GuardTarget,
  members: readonly SampledProcess[],
  { rule, sample, place, storm }: { rule: Rule; sample: Sample; place: Place; storm: boolean },
): number {
  const { system } = sample;
  const { cgroup, cgroups } = place;
  const domain = cgroup?.limit_bytes ?? system.total_bytes + system.swap_total_bytes;
  const points = (bytes: number) => (1000 * bytes) / Math.max(1, domain);
  const growth = growthOf(members, sample, storm);
  const badness = (moreBytes: number) => {
    const input = {
      pid: target.pid,
      uid: target.uid,
      oomScoreAdj: rule.ignorePositiveAdj ? Math.min(0, target.oom_score_adj) : target.oom_score_adj,
      rssBytes: target.rss_bytes + moreBytes,
      swapBytes: target.swap_bytes,
      pageTablesBytes: sum(members, ({ page_tables_bytes }) => page_tables_bytes),
    };
    return oomBadness(input, { bytes: domain, pageBytes: UNROUNDED, rules: kernelRules }) ?? Number.NEGATIVE_INFINITY;
  };
  switch (rule.rank) {
    case 'badness':
      return points(badness(0));
    case 'projected':
      return points(badness(PROJECTED_SECONDS * Math.max(0, growth)));
    case 'oom_score':
      return Math.max(...members.map(({ oom_score }) => oom_score ?? Number.NEGATIVE_INFINITY));
    case 'rss':
      return points(target.rss_bytes);
    case 'swap':
      return points(target.swap_bytes);
    case 'growth':
      return points(60 * growth);
    case 'pressure':
      return 10 * (cgroups.get(target.cgroup ?? '')?.pressure?.full.avg10 ?? 0);
  }
}

/** The average growth since the start counts for processes that are younger than this (s). */
const YOUNG_SECONDS = 10;

/**
 * How fast the members grow. Growth that has not been measured counts as the average since the start of a young process,
 * without the memory that it got from its parent. A storm grows by new processes, each of which may have stopped to grow, so
 * its average counts.
 */
function growthOf(members: readonly SampledProcess[], sample: Sample, storm: boolean): number {
  const { uptime_seconds: now } = sample;
  const own = (process: SampledProcess) => ownBytes(process, sample);
  const average = (held: number, since: number) => {
    const seconds = now === undefined ? Number.POSITIVE_INFINITY : Math.max(0.1, now - since / TICKS_PER_SECOND);
    return seconds < YOUNG_SECONDS ? held / seconds : 0;
  };
  if (storm) return average(sum(members, own), Math.min(...members.map(({ start_ticks }) => start_ticks)));
  return sum(members, (one) => one.growth_bytes_per_second ?? average(own(one), one.start_ticks));
}

/** The adjustments of the points: the rule's preferences, and `user.oomd_avoid`. */
function movesOf(
  members: readonly SampledProcess[],
  path: string | null,
  { preferences }: Rule,
  { cgroups }: Place,
): { by: number; text: string }[] {
  const moves = preferences
    .filter(({ match, points }) => members.some((member) => matches(match, member, points < 0)))
    .map(({ match, points: by }) => ({ by, text: `${by > 0 ? 'prefer' : 'avoid'} ${match.text}` }));
  const avoided = nearestAncestor(path, (at) => cgroups.get(at)?.preference === 'avoid');
  return avoided === undefined ? moves : [...moves, { by: AVOID_POINTS, text: `user.oomd_avoid on ${avoided}` }];
}

function sum(members: readonly SampledProcess[], of: (process: SampledProcess) => number): number {
  return members.reduce((total, member) => total + of(member), 0);
}

const rounded = (points: number) => Math.round(points * 10) / 10;
