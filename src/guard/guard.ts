/**
 * The guard: samples memory, decides by its rules, and starts responses. At most one response runs at a time for each
 * place (the system, or one cgroup). Responses for different places may run at the same time, but never with the same
 * victim.
 */
import { type Observable, Subject } from 'rxjs';
import { EnvelopeFactory } from '../events/envelope.ts';
import type { Event, OomKill } from '../model/events.ts';
import type { GuardMode } from '../model/guard.ts';
import type { Sample } from '../model/sample.ts';
import { processAncestors } from '../process/ancestors.ts';
import type { ProcessHandle } from '../process/process-handle.ts';
import { FREE, isTurn, type Turn, Turns } from '../process/turns.ts';
import { UndoLedger } from '../process/undo-ledger.ts';
import type { Arming } from './arming/arming.ts';
import { Standby } from './arming/standby.ts';
import { Announcer, live } from './ladder/announce.ts';
import { CgroupRestraints } from './ladder/cgroup-restraints.ts';
import { Health } from './ladder/health.ts';
import { type MachineView, REST } from './ladder/machine-view.ts';
import { Response, type ResponseContext } from './ladder/response.ts';
import { Skips } from './ladder/skips.ts';
import type { Hook } from './ladder/step-tools.ts';
import { Pacer } from './pacer.ts';
import { type Decision, Policy, placeOf } from './rules/decide.ts';
import { type Fired, holdNow } from './rules/detect.ts';
import { ARMED_MS, FASTEST_MS, longestMs, nextSampleMs, slackOf } from './rules/pace.ts';
import { identity } from './rules/protect.ts';
import type { PolicyOptions } from './rules/rule.ts';
import { concerns, Shadow } from './shadow.ts';

export interface GuardOptions {
  mode: GuardMode;
  policy: PolicyOptions;
  machine: MachineView;
  hook: Hook;
  /** Awaited before the first signal to a victim. */
  beforeSignal?: ResponseContext['beforeSignal'];
  /**
   * The default records changes in memory only: after a crash of the guard, the values that it wrote to cgroups remain.
   */
  restraints?: CgroupRestraints;
  /** Shared with the other guards of this machine, so that two guards do not kill for one shortage. */
  turns?: Turns;
  /** Shortest interval between samples (ms). */
  fastestMs?: number;
  /** Memory is short already: `start()` samples at once, before its code is compiled. */
  urgent?: boolean;
  envelopes?: EnvelopeFactory;
}

/** Number of samples that the guard takes at its start, so that V8 has compiled its code and its files are open. */
const FIRST_SAMPLES = 10;
/** After this many failed samples in a row, at one every 200 ms for ten seconds, the guard gives up. */
const MOST_FAILURES = 50;
/**
 * Shortest interval between samples while a victim is exiting (ms), so that the exiting process gets the CPU that it
 * needs to free its memory.
 */
const EXITING_MS = 50;
/**
 * Longest pause after a sample (ms). A sample of all processes takes long, and the pause is proportional to its time.
 */
const MOST_REST_MS = 30;
/** In a dry run, a rule that continues to fire is announced again after this time (ms). */
const REPEAT_DRY_MS = 60_000;

/**
 * Watches memory and, by its rules, kills processes before the kernel's OOM killer does. `openGuard()` opens a guard.
 */
export class Guard implements AsyncDisposable {
  /** The guard's events. It errors after 50 failed samples in a row, and completes when the guard is closed. */
  readonly events$: Observable<Event>;
  /** Resolves as soon as a sample shows no rule that fires, and no response is running; in a dry run, after a sample. */
  readonly calm: Promise<void>;
  readonly #calm = Promise.withResolvers<void>();
  readonly #events = new Subject<Event>();
  readonly #options: GuardOptions;
  readonly #policy: Policy;
  readonly #announce: Announcer;
  readonly #health: Health;
  readonly #skips: Skips;
  readonly #shadow: Shadow;
  #standby: Standby | undefined;
  readonly #restraints: CgroupRestraints;
  readonly #turns: Turns;
  readonly #closing = new AbortController();
  /** The running responses, by place: the path of a cgroup, or "" for the system. */
  readonly #responses = new Map<string, Response>();
  readonly #running = new Set<Promise<void>>();
  readonly #unsent: Event[] = [];
  readonly #pacer: Pacer;

  constructor(options: GuardOptions) {
    this.#options = options;
    this.events$ = this.#events.asObservable();
    this.#policy = new Policy(options.policy, { pid: process.pid, ancestors: processAncestors() });
    this.#restraints = options.restraints ?? new CgroupRestraints(UndoLedger.inMemory());
    this.#turns = options.turns ?? new Turns();
    // Events are emitted on the next event-loop turn, so that subscribers cannot delay a signal.
    const emit = (event: Event) => {
      if (this.#unsent.push(event) === 1) setImmediate(() => this.#send());
    };
    const envelopes = options.envelopes ?? new EnvelopeFactory();
    this.#announce = new Announcer(options.mode, live(envelopes), emit);
    this.#health = new Health(this.#announce);
    this.#skips = new Skips(this.#announce);
    this.#shadow = new Shadow(envelopes, emit);
    this.#pacer = new Pacer(options.machine, () => this.#sample());
    this.calm = this.#calm.promise;
  }

  /** Keeps the likely victim armed from now on. @param raiseScore also raise its oom_score_adj meanwhile */
  arm(arming: Arming, raiseScore: boolean): void {
    this.#standby = new Standby({
      arming,
      raiseScore,
      machine: this.#options.machine,
      policy: this.#policy,
      announce: this.#announce,
      health: this.#health,
      turns: this.#turns,
      responding: (victim) =>
        [...this.#responses.values()].find(({ plan }) => identity(plan.victim) === identity(victim)),
      wake: () => this.wake(),
      onError: (error) => this.#events.error(error),
    });
  }

  /** Starts sampling. */
  start(): void {
    const { urgent, machine } = this.#options;
    for (let i = 0; i < FIRST_SAMPLES && !urgent; i++) machine.whole();
    this.#pacer.schedule(0);
  }

  /** Samples immediately. For the caller that knows of a change which the last sample may not show. */
  wake(): void {
    if (!this.#closing.signal.aborted) this.#pacer.wake();
  }

  /** Looks immediately whether memory has shrunk, and then samples. For the caller that only suspects a change. */
  look(): void {
    if (!this.#closing.signal.aborted) this.#pacer.look();
  }

  /**
   * The kernel has killed a process. If a rule watches the memory that ran out, the guard samples. In shadow mode, it compares
   * the victim of the kernel with its own victim.
   */
  kernelKilled(kill: OomKill): void {
    const { mode, policy } = this.#options;
    if (!concerns(policy.rules, kill)) return;
    if (mode === 'shadow' && kill.kind === 'killed') this.#shadow.kernelKilled(kill);
    this.wake();
  }

  /** Stops watching, lifts every throttle and freeze it applied, and completes `events$`. */
  async close(): Promise<void> {
    this.#closing.abort();
    this.#calm.resolve();
    this.#pacer.stop();
    await this.#standby?.close();
    await Promise.allSettled(this.#running);
    this.#restraints.release();
    this.#send();
    this.#events.complete();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #send(): void {
    for (const event of this.#unsent.splice(0)) this.#events.next(event);
  }

  #sample(): void {
    const triggerNs = process.hrtime.bigint();
    const { fastestMs = FASTEST_MS } = this.#options;
    let nextMs = ARMED_MS;
    try {
      nextMs = this.#act(triggerNs);
      this.#health.works('sampling');
    } catch (error) {
      this.#pacer.sampled(undefined);
      // A sample may fail because no file descriptor or no memory is left. The next sample may succeed, so the guard
      // does not give up at once.
      if (this.#health.failed('sampling', error) >= MOST_FAILURES) {
        this.#events.error(error);
        return;
      }
    }
    const tookMs = Number(process.hrtime.bigint() - triggerNs) / 1e6;
    const restMs = Math.min(REST * tookMs, MOST_REST_MS);
    if (!this.#closing.signal.aborted) this.#pacer.schedule(Math.max(fastestMs, nextMs, restMs));
  }

  /** @returns when to sample next (ms) */
  #act(triggerNs: bigint): number {
    const { machine, policy } = this.#options;
    const levels = machine.levels();
    const fired = this.#policy.update(levels).filter((each) => !this.#responses.has(placeOf(each)));
    for (const each of fired) this.#onFired(each, levels, triggerNs);
    let nextMs = nextSampleMs(policy, levels);
    const calm = fired.length === 0 && this.#responses.size === 0;
    if (calm || this.#options.mode !== 'enforce') this.#calm.resolve();
    const armed = this.#standby?.update(levels, new Set(this.#responses.keys())) ?? false;
    const slack = calm ? slackOf(policy, levels) : undefined;
    const mostMs = longestMs(policy, levels, { armed, calm });
    this.#pacer.sampled(slack, Math.max(this.#options.fastestMs ?? FASTEST_MS, nextMs), mostMs);
    if (this.#responses.size > 0) nextMs = Math.max(nextMs, EXITING_MS);
    return armed ? Math.min(nextMs, ARMED_MS) : nextMs;
  }

  #onFired(fired: Fired, levels: Sample, triggerNs: bigint): void {
    const standing = this.#standby?.standingRanking(fired, levels);
    if (standing) {
      const { sample, ranking, handle } = standing;
      this.#onDecision(this.#policy.decide(fired, sample, ranking), sample, triggerNs, handle);
      return;
    }
    // Read the levels of memory again together with the processes. Memory that a process has freed since `levels` was
    // read would otherwise still count as short, and a second process would be killed without need.
    const whole = this.#options.machine.whole();
    const cgroup = fired.cgroup && whole.cgroups.find(({ path }) => path === fired.cgroup?.path);
    if (!holdNow(fired.rule.when, whole, cgroup)) return;
    const sample = this.#standby?.unraised(whole) ?? whole;
    this.#onDecision(this.#policy.decide(fired, sample), sample, triggerNs);
  }

  #onDecision(decision: Decision, sample: Sample, triggerNs: bigint, known?: ProcessHandle): void {
    const { fired, ranking } = decision;
    const place = placeOf(fired);
    if (this.#responses.has(place)) return; // an earlier rule of this sample has just started a response for this place
    if (decision.kind === 'skip') {
      this.#skips.take(decision, sample.mono_ms);
      return;
    }
    const { pid } = decision.victim.target;
    const busy = [...this.#responses.values()].find(({ plan }) => plan.victim.pid === pid);
    if (busy) {
      const detail = `plan ${busy.plan.id} has the same victim`;
      this.#skips.take({ kind: 'skip', fired, reason: 'being_freed', detail, ranking }, sample.mono_ms);
      return;
    }
    const { start_ticks } = decision.victim.target;
    const turn =
      this.#options.mode === 'enforce' ? this.#turns.takeAll(`place ${place}`, `victim ${pid} ${start_ticks}`) : FREE;
    if (isTurn(turn)) this.#respond(place, decision, { sample, triggerNs, known, turn });
    else {
      const detail = 'another guard acts here, or on the same victim';
      this.#skips.take({ kind: 'skip', fired, reason: 'being_freed', detail, ranking }, sample.mono_ms);
    }
  }

  #respond(
    place: string,
    decision: Extract<Decision, { kind: 'kill' }>,
    { sample, triggerNs, known, turn }: Occasion,
  ): void {
    const { machine, hook, beforeSignal, mode } = this.#options;
    const context: ResponseContext = {
      machine,
      hook,
      policy: this.#policy,
      announce: this.#announce,
      restraints: this.#restraints,
      ...(beforeSignal && { beforeSignal }),
      signal: this.#closing.signal,
    };
    const response = new Response(context, decision, sample, triggerNs, known);
    if (mode !== 'enforce') {
      this.#policy.rest(decision.fired.rule, place, sample.mono_ms, REPEAT_DRY_MS);
      this.#shadow.planned(response.plan, decision, sample.mono_ms);
    }
    this.#responses.set(place, response);
    const running: Promise<void> = response
      .run()
      .catch((error: unknown) => response.failed(error))
      .finally(() => {
        this.#responses.delete(place);
        this.#running.delete(running);
        turn.release();
        this.wake();
      });
    this.#running.add(running);
  }
}

interface Occasion {
  sample: Sample;
  triggerNs: bigint;
  /** A handle of the victim, where one is open. */
  known: ProcessHandle | undefined;
  /** Held until the response has ended. */
  turn: Turn;
}
