/**
 * Where a target is armed, and whether the ranking by which it was armed is still valid when its rule fires. A new ranking
 * reads all processes, which takes longest when memory is short.
 */
import { onlineCpus } from '../../linux/online-cpus.ts';
import { pageBytes } from '../../linux/page-size.ts';
import type { GuardRank, GuardTarget } from '../../model/guard.ts';
import type { Sample, SampledCgroup, SampledProcess } from '../../model/sample.ts';
import type { ProcessHandle } from '../../process/process-handle.ts';
import type { MachineView } from '../ladder/machine-view.ts';
import { placeOf } from '../rules/decide.ts';
import { type Fired, placesOf } from '../rules/detect.ts';
import { isNear, isNearWithoutGrowth } from '../rules/pace.ts';
import { identity } from '../rules/protect.ts';
import type { Candidate, Ranking } from '../rules/rank.ts';
import type { Rule } from '../rules/rule.ts';
import { PROJECTED_SECONDS } from '../rules/score.ts';
import { hasLeft, heldBytes, SHRUNK_SHARE } from '../rules/unit.ts';
import { steps } from '../steps/steps.ts';
import type { Armed } from './armed.ts';

/** How often the likely victim is recomputed (ms): while memory is shrinking, and while it is stable. */
export const RANK_MS = { shrinking: 200, stable: 2000 };
/** While memory is stable, reading all processes takes at most a quarter of a percent of a CPU, or happens this often (ms). */
const RANK_REST = 400;
const RANK_MOST_MS = 10_000;

/** @param tookMs how long the last ranking took */
export const rankAfterMs = (shrinking: boolean, tookMs: number): number =>
  shrinking ? RANK_MS.shrinking : Math.min(RANK_MOST_MS, Math.max(RANK_MS.stable, RANK_REST * tookMs));
/** Ranks whose scores depend on the memory that a process holds, and not on swap, pressure or growth alone. */
const FOLLOWED_RANKS: ReadonlySet<GuardRank> = new Set(['badness', 'projected', 'rss']);

/** A ranking, its first candidate, and the sample from which it was computed. */
export interface Ranked {
  fired: Fired;
  victim: Candidate;
  ranking: Ranking;
  sample: Sample;
}

/** A ranking that is still valid, so that only its victim was read again instead of all processes. */
export interface StandingRanking {
  ranking: Ranking;
  sample: Sample;
  /** The victim's handle. `Standby` owns it and closes it. */
  handle: ProcessHandle;
}

/**
 * The ranking with the victim's current memory; undefined: the ranking may be outdated. It is valid while the victim's
 * lead over the next candidate is larger than the memory that any other process can have taken since.
 *
 * @param now the current state of the victim's first process
 */
export function standingRanking(ranked: Ranked, now: SampledProcess, levels: Sample): Ranking | undefined {
  const { fired, victim, ranking, sample } = ranked;
  const [first, second] = ranking.candidates;
  const [member] = victim.members;
  if (first !== victim || !member || !FOLLOWED_RANKS.has(fired.rule.rank)) return undefined;
  if (levels.mono_ms - sample.mono_ms > 2 * RANK_MS.shrinking) return undefined;
  const grown = heldBytes(now) - heldBytes(member);
  const lead = ((first.score - (second?.score ?? 0)) / 1000) * domainBytes(fired, levels);
  const others = takenSince(fired, sample, levels) - grown;
  // With the rank `projected`, growth adds to the score: one process may have taken all of `others`, and may continue
  // to grow at that rate.
  const seconds = Math.max(0.01, (levels.mono_ms - sample.mono_ms) / 1000);
  const worth = fired.rule.rank === 'projected' ? 1 + PROJECTED_SECONDS / seconds : 1;
  if (lead + grown <= others * worth) return undefined;
  const { rss_bytes, swap_bytes } = now;
  const current: Candidate =
    now === member ? victim : { ...victim, target: { ...victim.target, rss_bytes, swap_bytes }, members: [now] };
  return { ...ranking, candidates: [current, ...ranking.candidates.slice(1)] };
}

/**
 * The armed target is signalled after this many reclaims in a row that freed nothing. The kernel's OOM killer kills
 * after about 35 of them for a cgroup at its limit, and after 16 for the system. Shared memory is free only at the end of an exit, when the
 * kernel no longer sees the process: if nothing were left to reclaim by then, it would kill another one.
 */
const FRUITLESS_ROUNDS = { system: 10, cgroup: 12, cgroupShared: 3 };

/** The number of fruitless reclaims after which a victim is signalled, see FRUITLESS_ROUNDS. @param cgroup undefined: the system */
export function roundsFor({ target, members, freesBytes }: Candidate, cgroup: SampledCgroup | undefined): number {
  if (!cgroup) return FRUITLESS_ROUNDS.system;
  const half = (target.rss_bytes + target.swap_bytes) / 2;
  const shared = members.reduce((sum, { shmem_bytes = 0 }) => sum + shmem_bytes, 0);
  return shared > half && freesBytes > half ? FRUITLESS_ROUNDS.cgroupShared : FRUITLESS_ROUNDS.cgroup;
}

const CPUS = onlineCpus();
/** How much the CPUs may hold back from the kernel's four counters of a process (lib/percpu_counter.c: percpu_counter_batch). */
const UNCOUNTED_BYTES = 4 * CPUS * Math.max(32, 2 * CPUS) * pageBytes();

/** A target that was found to hold less than `leastBytes` when it was to be signalled. */
export interface Shrunk {
  target: GuardTarget;
  atMs: number;
}

/** For how long a process that has shrunk, and is still the first candidate, is armed however little it holds (ms). */
const SHRUNK_MS = 1000;

/** How much the first process of a candidate must hold for the signal: see `leastBytes` of ArmCondition. */
export function leastBytesOf({ members, target }: Candidate, { mono_ms }: Sample, shrunk?: Shrunk): number {
  const [member] = members;
  if (!member || (shrunk && identity(shrunk.target) === identity(target) && mono_ms - shrunk.atMs < SHRUNK_MS))
    return 0;
  return Math.max(0, SHRUNK_SHARE * heldBytes(member) - UNCOUNTED_BYTES);
}

/** Whether an arming is still right for its target: this holds about as much as when it was armed. */
export function isAsArmed({ condition }: Armed, rounds: number, leastBytes: number): boolean {
  const { fruitlessRounds, leastBytes: before = 0 } = condition;
  return fruitlessRounds === rounds && leastBytes <= 1.5 * before && before <= 1.5 * leastBytes;
}

/** Whether the first process of the victim holds too little memory by now to be signalled. */
export function hasShrunk(
  { handle, victim, armed }: Pick<Ranked, 'victim'> & { handle: ProcessHandle; armed: Armed },
  machine: MachineView,
): boolean {
  const { leastBytes = 0 } = armed.condition;
  const seen = handle.state();
  if (!seen || seen.dying || seen.rssBytes >= leastBytes) return false;
  const now = machine.process(victim.target.pid); // its memory may be in swap
  return now !== undefined && !now.dying && heldBytes(now) < leastBytes;
}

/** The places where a rule that kills single processes is near to firing (see `isNear()`), with the first such rule. */
export function placesNear(rules: readonly Rule[], levels: Sample) {
  const near = new Map<string, { rule: Rule; cgroup: SampledCgroup | undefined }>();
  for (const rule of rules) {
    const kills = rule.steps.some((step) => steps[step.do].signal === 'SIGKILL');
    if (rule.unit !== 'process' || !kills) continue;
    for (const cgroup of placesOf(rule.on, levels)) {
      const place = placeOf({ cgroup });
      if (!near.has(place) && isNear(rule, levels, cgroup)) near.set(place, { rule, cgroup });
    }
  }
  return near;
}

/** Whether a place is no longer near only because its memory has just stopped growing. */
export function lingersAt(place: string, rule: Rule, levels: Sample): boolean {
  const at = placesOf(rule.on, levels).find((cgroup) => placeOf({ cgroup }) === place);
  return (place === '' || at !== undefined) && isNearWithoutGrowth(rule, levels, at);
}

/** The current state of the victim's first process; undefined: the process is dying or has exited, or has left. */
export function victimNow(
  { handle, victim, fired }: Pick<Ranked, 'victim' | 'fired'> & { handle: ProcessHandle },
  { system }: Sample,
  machine: MachineView,
): SampledProcess | undefined {
  const [member] = victim.members;
  const seen = handle.state();
  if (!member || !seen || seen.dying || seen.startTicks !== member.start_ticks) return undefined;
  if (hasMoved({ victim, fired }, machine)) return undefined;
  if (victim.members.length > 1) return member; // the members of a storm (see unit.ts) are each checked before the signal
  const swapped = system.swap_free_bytes < system.swap_total_bytes;
  const swap_bytes = swapped ? (machine.process(member.pid)?.swap_bytes ?? 0) : 0;
  return { ...member, rss_bytes: seen.rssBytes, swap_bytes };
}

/** The sample with the oom_score_adj and oom_score that these processes had when they were ranked. */
export function withScoresOf(members: readonly SampledProcess[], sample: Sample): Sample {
  if (members.length === 0 || sample.processes === null) return sample;
  const known = new Map(members.map((member) => [identity(member), member]));
  const processes = sample.processes.map((process) => {
    const before = known.get(identity(process));
    return before ? { ...process, oom_score_adj: before.oom_score_adj, oom_score: before.oom_score } : process;
  });
  return { ...sample, processes };
}

/** Whether the first process of the victim has left the cgroup where memory is short. */
export function hasMoved({ fired, victim }: Pick<Ranked, 'fired' | 'victim'>, machine: MachineView): boolean {
  const now = fired.cgroup && machine.process(victim.target.pid);
  return now !== undefined && hasLeft(now, victim, fired.cgroup) !== undefined;
}

/** The number of bytes that 1000 points correspond to (see score.ts). */
const domainBytes = ({ cgroup }: Fired, { system }: Sample) =>
  cgroup?.limit_bytes ?? system.total_bytes + system.swap_total_bytes;

/** The memory that all processes together have taken since `before`, in the rule's cgroup or in the system. */
function takenSince({ cgroup }: Fired, before: Sample, { system, cgroups }: Sample): number {
  if (!cgroup) {
    const { available_bytes, swap_free_bytes } = before.system;
    return available_bytes + swap_free_bytes - system.available_bytes - system.swap_free_bytes;
  }
  const usage = (of: readonly SampledCgroup[]) => of.find(({ path }) => path === cgroup.path)?.usage_bytes ?? 0;
  return usage(cgroups) - usage(before.cgroups);
}
