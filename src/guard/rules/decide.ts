/**
 * Decides what a sample calls for: the rules that fire, the victim of a rule that may act, or the reason why nothing is done.
 * Pure but for what it remembers; the clock is the sample's.
 */
import type { GuardSkipReason, GuardTarget } from '../../model/guard.ts';
import type { Sample, SampledCgroup, SampledProcess } from '../../model/sample.ts';
import { isWithin } from '../../text/cgroup-path.ts';
import { Detectors, type Fired } from './detect.ts';
import { identity, type Protection, type Rejected, rejection, type Self, sparesItsGroup } from './protect.ts';
import { type Candidate, type Ranking, rankCandidates } from './rank.ts';
import type { PolicyOptions, Rule } from './rule.ts';

export type Decision =
  | { kind: 'kill'; fired: Fired; victim: Candidate; ranking: Ranking }
  | { kind: 'skip'; fired: Fired; reason: GuardSkipReason; detail: string | null; ranking: Ranking };

/** The guard waits for the memory of a dying process that holds at least this much. */
const WORTH_WAITING_BYTES = 8 * 2 ** 20;
/** It waits at most this long; after that the process is stuck. */
const DYING_PATIENCE_MS = 10_000;
const BUDGET_WINDOW_MS = 60_000;

const nothing: Ranking = { candidates: [], rejected: [] };

export class Policy {
  readonly options: PolicyOptions;
  readonly #self: Self;
  readonly #detectors: Detectors;
  /** Times of kills. */
  #kills: number[] = [];
  /** When a process was first seen dying. */
  #dyingSince = new Map<string, number>();
  readonly #stuck = new Map<string, number>();
  /** When a rule's rest at a place ends. */
  readonly #resting = new Map<Rule, Map<string, number>>();

  constructor(options: PolicyOptions, self: Self) {
    this.options = options;
    this.#self = self;
    this.#detectors = new Detectors(options.rules);
  }

  /** The rules that fire. It must be called with every sample, because the detectors measure time by it. */
  update(sample: Sample): Fired[] {
    return this.#detectors.update(sample);
  }

  /** @param sample with its processes @param ranked their ranking, where there is one */
  decide(fired: Fired, sample: Sample, ranked?: Ranking): Decision {
    const now = sample.mono_ms;
    const skip = (reason: GuardSkipReason, detail: string | null, ranking = nothing): Decision => {
      return { kind: 'skip', fired, reason, detail, ranking };
    };
    const rests = this.#resting.get(fired.rule)?.get(placeOf(fired));
    if (rests !== undefined && rests > now) return skip('cool_down', `for another ${Math.ceil(rests - now)} ms`);

    const dying = this.#dying(fired, sample);
    if (dying)
      return skip('being_freed', `${dying.comm} (pid ${dying.pid}) is dying and holds ${dying.rss_bytes} bytes`);

    const ranking = ranked ?? this.rank(fired.rule, fired.cgroup, sample);
    const [victim] = ranking.candidates;
    if (!victim) return skip('no_candidate', `${ranking.rejected.length} were rejected`, ranking);
    this.#kills = this.#kills.filter((at) => at > now - BUDGET_WINDOW_MS);
    const { killsPerMinute } = this.options;
    if (this.#kills.length >= killsPerMinute) {
      return skip('budget', `${this.#kills.length} in the last minute, ${killsPerMinute} are allowed`, ranking);
    }
    return { kind: 'kill', fired, victim, ranking };
  }

  /** A victim was sent SIGKILL. It counts once for the budget, however many processes it consists of. */
  killed(now: number): void {
    this.#kills.push(now);
  }

  /** The rule's ladder has ended at a place: the rule rests there. */
  rest(rule: Rule, place: string, now: number, ms = rule.coolDownMs): void {
    const places = this.#resting.get(rule) ?? new Map<string, number>();
    for (const [rested, until] of places) if (until <= now) places.delete(rested);
    this.#resting.set(rule, places.set(place, now + ms));
  }

  /** The target did not die: for a minute the rules choose another. */
  stuck(target: Pick<GuardTarget, 'pid' | 'start_ticks'>, now: number): void {
    this.#stuck.set(identity(target), now + BUDGET_WINDOW_MS);
  }

  /** The candidates of a rule at a place, whether or not it fires. */
  rank(rule: Rule, cgroup: SampledCgroup | undefined, sample: Sample): Ranking {
    return rankCandidates(rule, sample, cgroup, this.#protection(sample));
  }

  /** Why a process, as it is now, may not be killed; undefined when it may. */
  rejectionOf(process: SampledProcess, rule: Rule, sample: Sample): Rejected | undefined {
    return rejection(process, rule, this.#protection(sample));
  }

  /** A process in a cgroup, or below it, that must not be slowed down or stopped. */
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
    };
  }

  /** The largest process that is dying where memory is short, and is not stuck. */
  #dying({ cgroup }: Fired, { processes, mono_ms: now }: Sample): SampledProcess | undefined {
    const dying = (processes ?? []).filter((process) => process.dying && !process.kernel_thread);
    this.#dyingSince = new Map(dying.map((one) => [identity(one), this.#dyingSince.get(identity(one)) ?? now]));
    const hopeful = dying.filter(
      (process) =>
        process.rss_bytes + process.swap_bytes >= WORTH_WAITING_BYTES &&
        (!cgroup || isWithin(process.cgroup, cgroup.path)) &&
        now - (this.#dyingSince.get(identity(process)) ?? now) < DYING_PATIENCE_MS,
    );
    return hopeful.sort((a, b) => b.rss_bytes - a.rss_bytes)[0];
  }
}

/** The path of the place where it fired; "" for the system. */
export const placeOf = ({ cgroup }: Pick<Fired, 'cgroup'>) => cgroup?.path ?? '';
