/**
 * Keeps the likely victim armed while memory is nearly short. If memory runs out faster than the rule's steps are
 * taken, the BPF program or the poller thread kills the victim immediately. If the kernel's OOM killer is even faster,
 * the raised oom_score_adj makes the kernel choose the same process.
 * An arming expires after three seconds. While memory is nearly short, the guard refreshes it.
 */
import { OomscopeError } from '../../model/error.ts';
import type { GuardTarget } from '../../model/guard.ts';
import type { Sample, SampledCgroup } from '../../model/sample.ts';
import { ProcessHandle } from '../../process/process-handle.ts';
import { isTurn, type Turns } from '../../process/turns.ts';
import type { AttemptContext } from '../ladder/attempt.ts';
import type { Health } from '../ladder/health.ts';
import { cgroupId } from '../ladder/machine-view.ts';
import type { Response } from '../ladder/response.ts';
import { heldDying, placeOf } from '../rules/decide.ts';
import type { Fired as FiredRule } from '../rules/detect.ts';
import { isShrinking } from '../rules/pace.ts';
import { identity } from '../rules/protect.ts';
import type { Rule } from '../rules/rule.ts';
import { type ArmCondition, type Armed, hasJustStarted } from './armed.ts';
import { ArmedOutcomes, type ArmedTarget, armedDetail, armedReading, ended } from './armed-outcomes.ts';
import type { Arming } from './arming.ts';
import type { Fired } from './fired.ts';
import {
  hasMoved,
  hasShrunk,
  isAsArmed,
  leastBytesOf,
  lingersAt,
  placesNear,
  type Ranked,
  rankAfterMs,
  roundsFor,
  type Shrunk,
  type StandingRanking,
  standingRanking,
  victimNow,
  withScoresOf,
} from './standing-ranking.ts';

const EXPIRES_MS = 3000;
/** Not 1000, which programs give themselves, nor what the kubelet gives to small pods: so an heir of it is known (heirs.ts). */
const HIGHEST_ADJ = 979;
/** How long a target stays armed while usage does not grow (ms): a storm of processes takes memory in steps. */
const LINGER_MS = 1000;
/** A dying process that frees this share of what the first candidate would free is waited for. */
const ENOUGH_SHARE = 0.25;
/** How long after a target was disarmed a record about it may still arrive (ms). */
const LATE_RECORD_MS = 1000;

export interface StandbyOptions extends Omit<AttemptContext, 'signal'> {
  arming: Arming;
  health: Health;
  /** Raise the target's oom_score_adj while it is armed. */
  raiseScore: boolean;
  /** Of several guards, only one arms a target at a place. */
  turns: Turns;
  /** The running response that has chosen this process as its victim. */
  responding: (victim: GuardTarget) => Pick<Response, 'signalledByArming'> | undefined;
  /** Called when a new ranking is needed at once. */
  wake: () => void;
  /** Called with an unexpected error. Nothing more is announced about that target afterwards. */
  onError: (error: unknown) => void;
}

export class Standby {
  readonly #options: StandbyOptions;
  /** The armed targets, by place: the path of a cgroup, or "" for the system. */
  readonly #targets = new Map<string, ArmedTarget>();
  /**
   * Targets that were disarmed less than LATE_RECORD_MS ago. A record of a signal that was sent before may still
   * arrive.
   */
  readonly #recentlyDisarmed = new Map<Armed, ArmedTarget>();
  /** Places where an armed process was signalled and has not exited yet. */
  readonly #exiting = new Set<string>();
  /** When each place was last near (ms). */
  readonly #nearMs = new Map<string, number>();
  readonly #outcomes: ArmedOutcomes;
  readonly #running = new Set<Promise<unknown>>();
  readonly #closing = new AbortController();
  #busy: ReadonlySet<string> = new Set();
  #rankedMs = Number.NEGATIVE_INFINITY;
  #rankTookMs = 0;
  /** The last process that was found to hold less than when it was armed. */
  #shrunk: Shrunk | undefined;
  /** Whether a place was not armed because a process was dying there. */
  #waits = false;

  constructor(options: StandbyOptions) {
    this.#options = options;
    this.#outcomes = new ArmedOutcomes(options);
    options.arming.fired$.subscribe((fired) => this.#onFired(fired));
  }

  /**
   * Arms, refreshes and disarms targets, as the levels of memory require.
   *
   * @param busy places where a response is running; a target armed there that is its victim stays armed
   * @returns true: memory is nearly short at a place, so the caller must sample again before an arming expires
   */
  update(levels: Sample, busy: ReadonlySet<string> = new Set()): boolean {
    this.#busy = busy;
    const near = placesNear(this.#options.policy.options.rules, levels);
    for (const place of this.#exiting) near.delete(place);
    for (const place of near.keys()) this.#nearMs.set(place, levels.mono_ms);
    let lingers = false;
    for (const [place, target] of this.#targets) {
      const moved = hasMoved(target, this.#options.machine);
      if (moved || hasShrunk(target, this.#options.machine)) this.#rankedMs = Number.NEGATIVE_INFINITY;
      if (!moved && near.has(place)) continue;
      const recent = levels.mono_ms - (this.#nearMs.get(place) ?? 0) <= LINGER_MS;
      if (!moved && recent && lingersAt(place, target.fired.rule, levels) && this.#refresh(place)) lingers = true;
      else this.#disarm(place);
    }
    if (near.size === 0) return lingers;
    for (const place of busy) {
      const target = this.#targets.get(place);
      if (!near.has(place) || !target || !this.#options.responding(target.victim.target)) continue;
      near.delete(place);
      this.#refresh(place);
    }
    if (near.size === 0) return true;
    const shrinking = this.#waits || [...near.values()].some(({ cgroup }) => isShrinking(levels, cgroup));
    const again = levels.mono_ms - this.#rankedMs > rankAfterMs(shrinking, this.#rankTookMs);
    const began = performance.now();
    const sample = again ? this.unraised(this.#options.machine.whole(levels)) : levels;
    if (again) [this.#rankedMs, this.#waits] = [levels.mono_ms, false];
    for (const [place, { rule, cgroup }] of near) {
      if (again) this.#rank(place, rule, cgroup, sample);
      else this.#refresh(place);
    }
    if (again) this.#rankTookMs = performance.now() - began;
    return true;
  }

  /**
   * The ranking by which the target at a place was armed; undefined: no target is armed there, or the ranking may be
   * outdated.
   */
  standingRanking(fired: FiredRule, levels: Sample): StandingRanking | undefined {
    const target = this.#targets.get(placeOf(fired));
    const now = target?.fired.rule === fired.rule ? victimNow(target, levels, this.#options.machine) : undefined;
    const ranking = target && now && standingRanking(target, now, levels);
    if (!ranking) return undefined;
    return { ranking, sample: { ...levels, processes: target.sample.processes }, handle: target.handle };
  }

  /**
   * The sample with the original oom_score_adj of armed targets, so that the raised values do not affect the ranking.
   */
  unraised(sample: Sample): Sample {
    return withScoresOf(
      [...this.#targets.values()].flatMap(({ victim }) => victim.members),
      sample,
    );
  }

  /** Disarms every target. Processes that were signalled and have not exited are announced as abandoned. */
  async close(): Promise<void> {
    for (const place of this.#targets.keys()) this.#disarm(place);
    this.#options.arming.close();
    this.#closing.abort();
    await Promise.all(this.#running);
  }

  /**
   * Arms the first candidate of a new ranking, unless that candidate is already armed. While another process is dying there and will
   * free a large part of that, none is armed: reclaims are still fruitless, so it would be signalled at once.
   */
  #rank(place: string, rule: Rule, cgroup: SampledCgroup | undefined, sample: Sample): void {
    const { policy, machine } = this.#options;
    const ranking = policy.rank(rule, cgroup, sample);
    const helps = policy.whyNoHelp({ rule, cgroup }, sample, ranking) === undefined;
    const victim = helps ? ranking.candidates[0] : undefined;
    const before = this.#targets.get(place);
    const dying = policy.dying({ cgroup }, sample);
    if (dying && victim && heldDying(dying) >= ENOUGH_SHARE * victim.freesBytes) {
      if (before?.victim.members.some((member) => identity(member) === identity(dying))) this.#refresh(place);
      else this.#disarm(place);
      this.#waits = true;
      return;
    }
    const kernelKills = machine.kernelKills();
    const rounds = victim ? roundsFor(victim, cgroup) : 0;
    const leastBytes = victim ? leastBytesOf(victim, sample, this.#shrunk) : 0;
    const same = before && victim && identity(before.victim.target) === identity(victim.target);
    if (same && isAsArmed(before.armed, rounds, leastBytes)) {
      Object.assign(before, { victim, ranking, sample, kernelKills });
      before.armed.raise(victim.members);
      if (this.#refresh(place)) return;
    }
    this.#disarm(place);
    if (!victim) return;
    const turn = this.#options.turns.take(`armed ${place}`);
    if (!isTurn(turn)) return;
    const fired = { rule, cgroup, readings: [armedReading(rounds)] };
    const target = this.#arm({ fired, victim, ranking, sample }, { fruitlessRounds: rounds, leastBytes });
    if (target) this.#targets.set(place, { ...target, kernelKills, turn });
    else turn.release();
  }

  /**
   * undefined: the process has exited, or has just started (the next ranking tries again), or arming failed, which was
   * announced.
   */
  #arm(
    ranked: Ranked,
    limits: Pick<ArmCondition, 'fruitlessRounds' | 'leastBytes'>,
  ): Omit<ArmedTarget, 'kernelKills' | 'turn'> | undefined {
    const { arming, raiseScore, health } = this.#options;
    const { pid, start_ticks: startTicks } = ranked.victim.target;
    const { cgroup } = ranked.fired;
    let handle: ProcessHandle | undefined;
    try {
      const domain = cgroup ? cgroupId(this.#options.machine, cgroup.path) : 'system';
      if (domain === undefined) return undefined; // the cgroup was removed
      handle = ProcessHandle.open({ pid, startTicks });
      if (hasJustStarted(handle)) {
        handle.close();
        return undefined;
      }
      const condition = { domain, ...limits, signal: 'SIGKILL' } as const;
      const terms = { expiresInMs: EXPIRES_MS, ...(raiseScore && { oomScoreAdj: HIGHEST_ADJ }) };
      const armed = arming.arm(handle, condition, terms);
      armed.raise(ranked.victim.members);
      health.works('arming');
      if (typeof armed.adjustment === 'object') health.failed('raising_score', armed.adjustment.refused);
      else if (armed.adjustment === 'raised') health.works('raising_score');
      return { ...ranked, armed, handle };
    } catch (error) {
      handle?.close();
      const exited = error instanceof OomscopeError && error.code === 'PROCESS_GONE';
      if (!exited) health.failed('arming', error);
      return undefined;
    }
  }

  /** @returns whether the target at this place is still armed */
  #refresh(place: string): boolean {
    try {
      return this.#targets.get(place)?.armed.refresh(EXPIRES_MS) ?? false;
    } catch (error) {
      this.#options.health.failed('arming', error);
      return false;
    }
  }

  #disarm(place: string): void {
    const target = this.#targets.get(place);
    if (!target) return;
    this.#targets.delete(place);
    this.#nearMs.delete(place);
    const { armed, handle, turn } = target;
    armed.disarm();
    turn.release();
    this.#recentlyDisarmed.set(armed, target);
    setTimeout(() => {
      if (this.#recentlyDisarmed.delete(armed)) handle.close();
    }, LATE_RECORD_MS).unref();
  }

  #onFired(fired: Fired): void {
    const { armed, outcome } = fired;
    const target =
      [...this.#targets.values()].find((each) => each.armed === armed) ?? this.#recentlyDisarmed.get(armed);
    if (!target) return;
    const place = placeOf(target.fired);
    if (!this.#recentlyDisarmed.delete(armed)) this.#targets.delete(place);
    const release = () => {
      armed.disarm();
      target.turn.release();
      target.handle.close();
    };
    const response = outcome === 'signalled' ? this.#options.responding(target.victim.target) : undefined;
    if (outcome === 'refused') {
      this.#outcomes.refused(target, fired);
      release();
    } else if (outcome === 'shrunk') {
      release(); // another process has taken the memory since the ranking
      this.#shrunk = { target: target.victim.target, atMs: this.#options.machine.levels().mono_ms };
      this.#rankedMs = Number.NEGATIVE_INFINITY;
      this.#options.wake();
    } else if (outcome !== 'signalled' && this.#busy.has(place)) {
      release(); // the running response for this place signals the process, and announces it
    } else {
      this.#exiting.add(place);
      const { signal } = this.#closing;
      response?.signalledByArming(fired.signalNs ?? fired.triggerNs, armedDetail(fired)); // it announces the result
      const end = response ? ended(target.handle, signal) : this.#outcomes.exiting(target, fired, signal);
      const running: Promise<unknown> = end.catch(this.#options.onError).finally(() => {
        this.#running.delete(running);
        this.#exiting.delete(place);
        release();
      });
      this.#running.add(running);
    }
  }
}
