/**
 * The guard: looks, decides, and starts what is to be done. One operation at a time at each place; the system's and that of a
 * cgroup may go side by side, but never on the same victim.
 */
import { type Observable, Subject } from 'rxjs';
import { EnvelopeFactory, realtimeOffsetNs } from '../events/envelope.ts';
import type { Event, OomKill } from '../model/events.ts';
import type { GuardMode } from '../model/guard.ts';
import type { Sample } from '../model/sample.ts';
import { processAncestors } from '../process/ancestors.ts';
import type { ProcessHandle } from '../process/process-handle.ts';
import { UndoLedger } from '../process/undo-ledger.ts';
import { globMatch } from '../text/glob.ts';
import type { Arming } from './arming/arming.ts';
import { Standby } from './arming/standby.ts';
import { Announcer, type Stamp } from './ladder/announce.ts';
import { CgroupRestraints } from './ladder/cgroup-restraints.ts';
import { type MachineView, REST } from './ladder/machine-view.ts';
import { Response, type ResponseContext } from './ladder/response.ts';
import type { Hook } from './ladder/step-tools.ts';
import { type Decision, Policy, placeOf } from './rules/decide.ts';
import { type Fired, holdNow } from './rules/detect.ts';
import { nextLookMs } from './rules/pace.ts';
import type { Place, PolicyOptions } from './rules/rule.ts';
import { Shadow } from './shadow.ts';

export interface GuardOptions {
  mode: GuardMode;
  policy: PolicyOptions;
  senses: MachineView;
  hook: Hook;
  /** Waited for before the first signal to a victim. */
  beforeSignal?: ResponseContext['beforeSignal'];
  restraints?: CgroupRestraints;
  /** To arm whoever is likely to go; raises their oom_score_adj, if so wished. Closed with the guard. */
  arming?: { arming: Arming; raiseScore: boolean };
  /** It looks no more often than this, in milliseconds. */
  fastestMs?: number;
  envelopes?: EnvelopeFactory;
}

const REHEARSALS = 10;
const MOST_FAILURES = 50;
/** While somebody is armed: well before that goes out. */
const ARMED_LOOK_MS = 200;
/** While somebody is on the way out: whoever frees the memory has more use for the CPU. */
const BUSY_LOOK_MS = 50;
/** After a look at all processes: it is no reason to be late. */
const MOST_REST_MS = 30;
/** Without acting, a rule that goes on firing is told of again after so long. */
const REPEAT_DRY_MS = 60_000;
/** The same reason for doing nothing is told of again after so long, with its count. */
const REPEAT_SKIP_MS = 10_000;
/** And of what has not been so for this long, nothing is remembered. */
const FORGET_SKIP_MS = 10 * REPEAT_SKIP_MS;

export class Guard implements Disposable {
  readonly events$: Observable<Event>;
  readonly #events = new Subject<Event>();
  readonly #options: GuardOptions;
  readonly #policy: Policy;
  readonly #announce: Announcer;
  readonly #shadow: Shadow;
  readonly #standby: Standby | undefined;
  readonly #restraints: CgroupRestraints;
  readonly #ending = new AbortController();
  readonly #operations = new Map<string, Response>();
  readonly #running = new Set<Promise<void>>();
  readonly #skips = new Map<string, { toldMs: number; times: number }>();
  readonly #untold: Event[] = [];
  #timer: NodeJS.Timeout | undefined;
  /** Looks in vain, one after the other. */
  #failures = 0;

  constructor(options: GuardOptions) {
    this.#options = options;
    this.events$ = this.#events.asObservable();
    this.#policy = new Policy(options.policy, { pid: process.pid, ancestors: processAncestors() });
    this.#restraints = options.restraints ?? new CgroupRestraints(UndoLedger.inMemory());
    // A signal does not wait for whoever hears of it: told at the next turn.
    const emit = (event: Event) => {
      if (this.#untold.push(event) === 1) setImmediate(() => this.#tellAll());
    };
    const envelopes = options.envelopes ?? new EnvelopeFactory();
    this.#announce = new Announcer(options.mode, live(envelopes), emit);
    this.#shadow = new Shadow(envelopes, emit);
    const { arming, senses } = options;
    const policy = this.#policy;
    this.#standby = arming && new Standby({ ...arming, policy, senses, announce: this.#announce });
  }

  /** Begins to look; by then the code that a shortage goes through has been compiled, and the files are open. */
  start(): void {
    for (let i = 0; i < REHEARSALS; i++) this.#options.senses.whole();
    this.#schedule(0);
  }

  /** Something happened that the levels may not show yet: looks at once. */
  wake(): void {
    if (!this.#ending.signal.aborted) this.#schedule(0);
  }

  /** The kernel has killed: in shadow mode the two are compared. */
  kernelKilled(kill: OomKill): void {
    const { mode, policy } = this.#options;
    const concerns = policy.rules.some(({ on }) => on.some((place) => isAbout(place, kill)));
    if (mode === 'shadow' && kill.kind === 'killed' && concerns) this.#shadow.kernelKilled(kill);
    this.wake();
  }

  /** Stops, takes back what is to be taken back, and completes the stream. */
  async close(): Promise<void> {
    this.#ending.abort();
    clearTimeout(this.#timer);
    this.#standby?.close();
    await Promise.allSettled(this.#running);
    this.#restraints.release();
    this.#tellAll();
    this.#events.complete();
  }

  [Symbol.dispose](): void {
    void this.close();
  }

  #tellAll(): void {
    for (const event of this.#untold.splice(0)) this.#events.next(event);
  }

  #schedule(ms: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#look(), ms);
  }

  #look(): void {
    const triggerNs = process.hrtime.bigint();
    const { senses, fastestMs = 10, policy } = this.#options;
    let next: number;
    try {
      const levels = senses.levels();
      const fired = this.#policy.look(levels).filter((one) => !this.#operations.has(placeOf(one)));
      for (const one of fired) this.#fired(one, levels, triggerNs);
      next = nextLookMs(policy, levels);
      if (this.#operations.size > 0) next = Math.max(next, BUSY_LOOK_MS);
      if (this.#standby?.look(levels, new Set(this.#operations.keys()))) next = Math.min(next, ARMED_LOOK_MS);
      this.#failures = 0;
    } catch (error) {
      // No descriptor or no memory to look with, say: that may be over at the next look, and is when it is needed most.
      if (++this.#failures >= MOST_FAILURES) {
        this.#events.error(error);
        return;
      }
      next = ARMED_LOOK_MS;
    }
    const tookMs = Number(process.hrtime.bigint() - triggerNs) / 1e6;
    const restMs = Math.min(REST * tookMs, MOST_REST_MS);
    if (!this.#ending.signal.aborted) this.#schedule(Math.max(fastestMs, next, restMs));
  }

  #fired(fired: Fired, levels: Sample, triggerNs: bigint): void {
    const known = this.#standby?.standingRanking(fired, levels);
    if (known) {
      const { sample, ranking, handle } = known;
      this.#decided(this.#policy.decide(fired, sample, ranking), sample, triggerNs, handle);
      return;
    }
    // Levels of before are not for processes of now: whoever has ended meanwhile would be one too few, and another one taken.
    const whole = this.#options.senses.whole();
    const cgroup = fired.cgroup && whole.cgroups.find(({ path }) => path === fired.cgroup?.path);
    if (!holdNow(fired.rule.when, whole, cgroup)) return;
    const sample = this.#standby?.unraised(whole) ?? whole;
    this.#decided(this.#policy.decide(fired, sample), sample, triggerNs);
  }

  #decided(decision: Decision, sample: Sample, triggerNs: bigint, known?: ProcessHandle): void {
    const { fired } = decision;
    const place = placeOf(fired);
    if (this.#operations.has(place)) return; // an earlier rule has just acted there
    if (decision.kind === 'skip') {
      this.#skipped(decision, sample.mono_ms);
      return;
    }
    const busy = [...this.#operations.values()].find(({ plan }) => plan.victim.pid === decision.victim.target.pid);
    if (busy) {
      this.#skipped(
        { ...decision, kind: 'skip', reason: 'being_freed', detail: `${busy.plan.id} is at it` },
        sample.mono_ms,
      );
      return;
    }
    const { senses, hook, beforeSignal, mode } = this.#options;
    const scene: ResponseContext = {
      ...{ machine: senses, hook, policy: this.#policy, announce: this.#announce, restraints: this.#restraints },
      ...(beforeSignal && { beforeSignal }),
      signal: this.#ending.signal,
    };
    const operation = new Response(scene, decision, sample, triggerNs, known);
    if (mode !== 'enforce') {
      this.#policy.rest(fired.rule, place, sample.mono_ms, REPEAT_DRY_MS);
      this.#shadow.planned(operation.plan, decision, sample.mono_ms);
    }
    this.#operations.set(place, operation);
    const running: Promise<void> = operation.run().then(
      () => this.#ended(place, running),
      (error: unknown) => {
        this.#ended(place, running);
        this.#events.error(error);
      },
    );
    this.#running.add(running);
  }

  #ended(place: string, running: Promise<void>): void {
    this.#operations.delete(place);
    this.#running.delete(running);
    this.wake();
  }

  /** Once, and then with how often it was so. */
  #skipped({ fired, reason, detail, ranking }: Extract<Decision, { kind: 'skip' }>, nowMs: number): void {
    if (reason === 'cool_down' && this.#options.mode !== 'enforce') return; // it was told what would have been done
    const key = `${fired.rule.name}\0${placeOf(fired)}\0${reason}`;
    const known = this.#skips.get(key) ?? { toldMs: Number.NEGATIVE_INFINITY, times: 0 };
    for (const [other, { toldMs }] of this.#skips) if (nowMs - toldMs > FORGET_SKIP_MS) this.#skips.delete(other);
    known.times++;
    this.#skips.set(key, known);
    if (nowMs - known.toldMs < REPEAT_SKIP_MS) return;
    this.#announce.skipped(fired as Fired, reason, detail, { times: known.times, ranking });
    Object.assign(known, { toldMs: nowMs, times: 0 });
  }
}

function isAbout(place: Place, { cgroups, victim }: OomKill): boolean {
  if (place.kind === 'containers') return victim.container !== null;
  return place.kind === 'system' || cgroups.some(({ path }) => globMatch(place.glob, path));
}

export const live = (envelopes: EnvelopeFactory): Stamp => ({
  nowNs: () => process.hrtime.bigint(),
  envelope: (severity, message) =>
    envelopes.next(process.hrtime.bigint(), realtimeOffsetNs(), severity, 'guard', message),
});
