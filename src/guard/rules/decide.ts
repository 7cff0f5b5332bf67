/**
 * Decides from a sample which rules fire, and for each of them either which victim to kill or why the guard does
 * nothing. It does no I/O: it uses only the samples, their times and its own memory of earlier ones.
 */
import type { GuardRejectionReason, GuardSkipReason, GuardTarget } from '../../model/guard.ts';
import type { Sample, SampledCgroup, SampledProcess } from '../../model/sample.ts';
import { isWithin } from '../../text/cgroup-path.ts';
import { printable } from '../../text/printable.ts';
import { Detectors, type Fired } from './detect.ts';
import { whyNoHelp } from './help.ts';
import { ObservedClock } from './observed-clock.ts';
import { identity, type Protection, type Rejected, rejection, type Self, sparesItsGroup } from './protect.ts';
import { type Candidate, type Ranking, rankCandidates } from './rank.ts';
import type { PolicyOptions, Rule } from './rule.ts';
import { heldBytes } from './unit.ts';

export type Decision =
  | { kind: 'kill'; fired: Fired; victim: Candidate; ranking: Ranking }
  | { kind: 'skip'; fired: Fired; reason: GuardSkipReason; detail: string | null; ranking: Ranking };

/** The guard waits for the memory of a dying process that holds at least this much. */
const WORTH_WAITING_BYTES = 8 * 2 ** 20;
/** The guard waits at most this long for a dying process (ms). After that, the process counts as stuck. */
export const DYING_PATIENCE_MS = 10_000;
const BUDGET_WINDOW_MS = 60_000;

const nothing: Ranking = { candidates: [], rejected: [] };

export class Policy {
  readonly options: PolicyOptions;
  readonly #self: Self;
  readonly #detectors: Detectors;
  readonly #clock: ObservedClock;
  /** Times of the kills in the last minute (ms). */
  #kills: number[] = [];
  /** When a process was first seen dying, by `#clock` (ms), by its identity. */
  #dyingSince = new Map<string, number>();
  readonly #stuck = new Map<string, number>();
  /** For the identity of each chosen process that could not be reached: the time of the attempt, in ms. */
  readonly #lost = new Map<string, number>();
  /** For each rule and each place (the system or a cgroup): the time at which the cool-down ends, in ms. */
  readonly #resting = new Map<Rule, Map<string, number>>();
  /** For each place where the last kill freed far less than its victim held: the time until which no kill follows, in ms. */
  readonly #disappointed = new Map<string, number>();

  /** @param mostGapMs the longest interval between two samples that counts in full: see ObservedClock */
  constructor(options: PolicyOptions, self: Self, mostGapMs?: number) {
    this.options = options;
    this.#self = self;
    this.#detectors = new Detectors(options.rules, mostGapMs);
    this.#clock = new ObservedClock(mostGapMs);
  }

  /**
   * Returns the rules that fire. Call it with every sample, because the detectors measure their time from sample to
   * sample.
   */
  update(sample: Sample): Fired[] {
    this.#clock.advance(sample.mono_ms);
    return this.#detectors.update(sample);
  }

  /**
   * @param sample a sample with processes @param ranked a ranking of these processes, where the caller already has one
   */
  decide(fired: Fired, sample: Sample, ranked?: Ranking): Decision {
    const now = sample.mono_ms;
    const skip = (reason: GuardSkipReason, detail: string | null, ranking = nothing): Decision => {
      return { kind: 'skip', fired, reason, detail, ranking };
    };
    const rests = this.#resting.get(fired.rule)?.get(placeOf(fired));
    if (rests !== undefined && rests > now) return skip('cool_down', `for another ${Math.ceil(rests - now)} ms`);

    const dying = this.dying(fired, sample);
    if (dying)
      return skip('being_freed', `${dying.comm} (pid ${dying.pid}) is dying and holds ${heldDying(dying)} bytes`);

    const ranking = ranked ?? this.rank(fired.rule, fired.cgroup, sample);
    const [victim] = ranking.candidates;
    if (!victim) return skip('no_candidate', whyNobody(ranking), ranking);
    const noHelp = this.whyNoHelp(fired, sample, ranking);
    if (noHelp !== undefined) return skip('no_help', noHelp, ranking);
    this.#kills = this.#kills.filter((at) => at > now - BUDGET_WINDOW_MS);
    const { killsPerMinute } = this.options;
    if (this.#kills.length >= killsPerMinute) {
      return skip('budget', `${this.#kills.length} in the last minute, ${killsPerMinute} are allowed`, ranking);
    }
    return { kind: 'kill', fired, victim, ranking };
  }

  /**
   * Records that a victim was sent SIGKILL. A victim counts as one kill against `killsPerMinute`, however many
   * processes it has.
   */
  killed(now: number): void {
    this.#kills.push(now);
  }

  /** Records that the rule's response at a place has ended: the rule does not act there again during its cool-down. */
  rest(rule: Rule, place: string, now: number, ms = rule.coolDownMs): void {
    const places = this.#resting.get(rule) ?? new Map<string, number>();
    for (const [rested, until] of places) if (until <= now) places.delete(rested);
    this.#resting.set(rule, places.set(place, now + ms));
  }

  /**
   * Records that a chosen process could not be reached, because it had exited or is no longer the same. A process that is
   * still listed and cannot be reached again counts as stuck, so that the guard does not choose it over and over.
   */
  lost(target: Pick<GuardTarget, 'pid' | 'start_ticks'>, now: number): void {
    const id = identity(target);
    const before = this.#lost.get(id);
    for (const [other, at] of this.#lost) if (now - at > BUDGET_WINDOW_MS) this.#lost.delete(other);
    this.#lost.set(id, now);
    if (before !== undefined && now - before <= BUDGET_WINDOW_MS) this.stuck(target, now);
  }

  /** Records that the target did not exit: for a minute, no rule chooses it again. */
  stuck(target: Pick<GuardTarget, 'pid' | 'start_ticks'>, now: number): void {
    this.#stuck.set(identity(target), now + BUDGET_WINDOW_MS);
  }

  /**
   * Records that a kill at a place has freed far less than its victim held. If whyNoHelp() then finds
   * that a kill does not help, no other process is killed for a minute.
   */
  disappointed(place: string, now: number): void {
    this.#disappointed.set(place, now + BUDGET_WINDOW_MS);
  }

  /** Why a kill of the first candidate would not help; undefined: it may help. */
  whyNoHelp({ rule, cgroup }: Pick<Fired, 'rule' | 'cgroup'>, sample: Sample, ranking: Ranking): string | undefined {
    const [victim] = ranking.candidates;
    const all = ranking.candidates.reduce((sum, { freesBytes }) => sum + freesBytes, 0);
    const disappointed = (this.#disappointed.get(placeOf({ cgroup })) ?? 0) > sample.mono_ms;
    return victim && whyNoHelp(rule, sample, cgroup, { frees: victim.freesBytes, all, disappointed });
  }

  /** The candidates of a rule at a place, whether or not it fires. */
  rank(rule: Rule, cgroup: SampledCgroup | undefined, sample: Sample): Ranking {
    return rankCandidates(rule, sample, cgroup, this.#protection(sample));
  }

  /** Why a process in its current state must not be killed; undefined: it may be killed. */
  rejectionOf(process: SampledProcess, rule: Rule, sample: Sample): Rejected | undefined {
    return rejection(process, rule, this.#protection(sample));
  }

  /** Finds a process in a cgroup or its descendants that must not be slowed down or stopped. */
  sparedIn(path: string, rule: Rule, sample: Sample): SampledProcess | undefined {
    const protection = this.#protection(sample);
    return (sample.processes ?? []).find((process) => {
      if (!isWithin(process.cgroup, path)) return false;
      const verdict = rejection(process, rule, protection);
      return verdict !== undefined && sparesItsGroup(verdict.reason);
    });
  }

  #protection(sample: Sample): Protection {
    for (const [id, until] of this.#stuck) if (until <= sample.mono_ms) this.#stuck.delete(id);
    return {
      self: this.#self,
      protect: this.options.protect,
      cgroups: new Map(sample.cgroups.map((cgroup) => [cgroup.path, cgroup])),
      stuck: new Set(this.#stuck.keys()),
      supervisor: this.options.supervisor,
    };
  }

  /**
   * The largest process that is dying in the cgroup or system where memory is short. No other process is chosen until its
   * memory is free. A process that has been dying for ten seconds counts as stuck, and is left out.
   */
  dying({ cgroup }: Pick<Fired, 'cgroup'>, { processes }: Sample): SampledProcess | undefined {
    const now = this.#clock.ms;
    const dying = (processes ?? []).filter((process) => process.dying && !process.kernel_thread);
    this.#dyingSince = new Map(dying.map((one) => [identity(one), this.#dyingSince.get(identity(one)) ?? now]));
    const hopeful = dying.filter(
      (process) =>
        heldDying(process) >= WORTH_WAITING_BYTES &&
        (!cgroup || isWithin(process.cgroup, cgroup.path)) &&
        now - (this.#dyingSince.get(identity(process)) ?? now) < DYING_PATIENCE_MS,
    );
    return hopeful.sort((a, b) => heldDying(b) - heldDying(a))[0];
  }
}

/** The memory that a dying process will free. Its shared memory is free when it is a zombie, and not before. */
export const heldDying = (process: SampledProcess): number =>
  Math.max(heldBytes(process), process.state === 'Z' ? 0 : (process.shmem_bytes ?? 0));

/** The place where a rule fired: the path of the cgroup, or "" for the system. */
export const placeOf = ({ cgroup }: Pick<Fired, 'cgroup'>) => cgroup?.path ?? '';

/** Why no process may be killed: how many were rejected for each reason, with the largest of them. */
function whyNobody({ rejected }: Ranking): string | null {
  const byReason = Map.groupBy(
    rejected.filter(({ reason }) => reason !== 'kernel_thread'),
    ({ reason }) => reason,
  );
  if (byReason.size === 0) return 'no process is there';
  const groups = [...byReason].sort(([, a], [, b]) => b.length - a.length);
  const told = groups.map(([reason, [first, ...others]]) => {
    const why = first?.detail ? `${rejectionWords[reason]}: ${first.detail}` : rejectionWords[reason];
    const more = others.length === 0 ? '' : `, and ${others.length} more`;
    return `${printable(first?.comm ?? '?')} (pid ${first?.pid}${more}) ${why}`;
  });
  return told.join('; ');
}

/** The reason of a rejection as the end of a sentence about the process. */
export const rejectionWords: Record<GuardRejectionReason, string> = {
  init: 'is init',
  kernel_thread: 'is a kernel thread',
  self: 'is the guard',
  ancestor: 'is an ancestor of the guard',
  spared: 'is spared',
  protected: 'is protected',
  never: 'is excluded by the rule',
  omitted: 'is omitted',
  supervised: 'must stay on this machine',
  too_small: 'is too small',
  shared: 'shares its memory',
  dying: 'is already exiting',
  stuck: 'is stuck',
  holds_protected: 'has a protected process in its group',
};
