/**
 * Runs the tracer, the pressure monitor and the guard from one configuration, and merges their events into one stream with
 * one numbering.
 * The guard can be replaced while the tracer and the monitor continue to run.
 */
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import { type Observable, Subject } from 'rxjs';
import type { GuardPrograms } from '../bpf/load/guard-loader.ts';
import type { Config } from '../config/config.ts';
import { EnvelopeFactory } from '../events/envelope.ts';
import { LossCounter } from '../events/loss-counter.ts';
import { type OpenedGuard, openGuard } from '../guard/open-guard.ts';
import type { Supervisor } from '../guard/rules/standing.ts';
import type { PressureFeed } from '../guard/senses/sampler.ts';
import { Cgroupfs } from '../linux/cgroupfs.ts';
import { OomscopeError } from '../model/error.ts';
import type { Event, TracerLost } from '../model/events.ts';
import type { PressureMonitor } from '../pressure/monitor.ts';
import { namedPressure } from '../pressure/named-pressure.ts';
import type { PressureOptions } from '../pressure/options.ts';
import { reportedBy } from '../pressure/profile.ts';
import type { ShortageWatch } from '../pressure/shortage-watch.ts';
import { cgroupMatch } from '../text/glob.ts';
import type { Tracer } from '../tracer/tracer.ts';
import { isObserving } from './obstacle.ts';
import { feedOf, readsOwnPressure } from './pressure-feed.ts';

/** While memory is short at the start, the tracer and the monitor wait for at most this long (ms). */
const CALM_MS = 3000;

export class Watch implements AsyncDisposable {
  readonly events$: Observable<Event>;
  /** Makes what knows more about the processes of this machine than the rules do. Set before open(). */
  supervisor: (() => Promise<Supervisor>) | undefined;
  readonly #envelopes = new EnvelopeFactory();
  readonly #losses = new LossCounter(this.#envelopes);
  readonly #events = new Subject<Event>();
  #programs: GuardPrograms | undefined;
  #tracer: Tracer | undefined;
  #pressure: PressureMonitor | undefined;
  #isReported: (event: Event) => boolean = () => true;
  #shortage: ShortageWatch | undefined;
  #feed: PressureFeed | undefined;
  #guard: { opened: OpenedGuard; config: Config } | undefined;

  constructor() {
    this.events$ = this.#events.asObservable();
  }

  /**
   * Starts the guard, then the tracer and the monitor, whose programs take half a second of CPU time to load: the guard
   * does not wait for them, and while memory is short, they wait for the guard. If this fails, the caller must close the
   * watch.
   *
   * @param tell called with notes for the log
   * @param signal when it is aborted, the start ends before its next step
   * @throws OomscopeError as openTracer, openPressure and openGuard
   */
  async open(config: Config, tell: (notes: string[]) => void = () => {}, signal?: AbortSignal): Promise<void> {
    const { trace, pressure } = config;
    // Signals that came during a step are handled in a turn of the event loop.
    const ends = async () => {
      await nextTurn();
      return signal?.aborted;
    };
    if (await ends()) return;
    tell(await this.guardBy(config));
    if (await ends()) return;
    if (isObserving(config)) await this.#calm(signal);
    if (await ends()) return;
    const options = pressure.enabled ? await pressureOptions(pressure) : undefined;
    this.#isReported = reportedBy(pressure.profile);
    if (trace.enabled) await this.#trace(trace, options, config.history !== undefined);
    else if (options) await this.#measure(options);
    if (this.#pressure) this.#heed(this.#pressure, pressure.windows);
    const started = (this.#tracer ?? this.#pressure)?.started;
    if (started) this.#events.next(started);
    if (this.#pressure) await this.#watchShortage(this.#pressure, pressure);
  }

  /** Runs the code of a kill again, see OpenedGuard. */
  async warmUp(): Promise<void> {
    await this.#guard?.opened.warmUp();
  }

  get tracer(): Tracer | undefined {
    return this.#tracer;
  }

  /** Whether the guard kills. undefined: there is no guard. */
  get isEnforcing(): boolean | undefined {
    const mode = this.#guard?.config.guard?.mode;
    return mode === undefined ? undefined : mode === 'enforce';
  }

  get pressure(): PressureMonitor | undefined {
    return this.#pressure;
  }

  /** Resolves when memory is not short, when the signal is aborted, or after a time. */
  async #calm(signal: AbortSignal | undefined): Promise<void> {
    const late = new AbortController();
    const either = AbortSignal.any([late.signal, ...(signal ? [signal] : [])]);
    const latest = sleep(CALM_MS, undefined, { signal: either }).catch(() => {});
    await Promise.race([this.#guard?.opened.guard.calm, latest]);
    late.abort();
  }

  /** The tracer emits the events of its monitor, too. @param wholeStory also the minute before a kill, and the report */
  async #trace(
    { candidates, kills, ring, other_users }: Config['trace'],
    pressure: PressureOptions | undefined,
    wholeStory: boolean,
  ): Promise<void> {
    const { openTracerWith } = await import('../tracer/tracer.ts');
    const options = {
      candidates,
      ...(kills !== 'oom' && { allKills: kills }),
      ...(other_users && { containers: { otherUsers: true } }),
      ...(ring !== undefined && { ringBytes: ring }),
      ...(pressure && { pressure }),
      ...(wholeStory && { leadUp: true, report: true }),
    };
    const tracer = await openTracerWith(options, this.#envelopes);
    this.#tracer = tracer;
    this.#pressure = tracer.pressure;
    tracer.events$.subscribe({
      next: (event) => {
        if (this.#isReported(event)) this.#events.next(event);
        if (event.type === 'oom.kill') this.#guard?.opened.guard.kernelKilled(event);
      },
      error: (cause: unknown) => this.#events.error(cause),
    });
  }

  async #watchShortage(monitor: PressureMonitor, { profile, cgroups }: Config['pressure']): Promise<void> {
    if (profile === 'fast') return;
    const { openShortageWatch } = await import('../pressure/shortage-watch.ts');
    const { shortageOf, suggestionFor } = await import('../pressure/suggestion.ts');
    const sources = { cgroups: Cgroupfs.find(), envelopes: this.#envelopes };
    this.#shortage = openShortageWatch(profile, monitor, {
      envelopes: this.#envelopes,
      wants: (path) => cgroups.length === 0 || cgroups.some((glob) => cgroupMatch(glob, path)),
      emit: (event) => {
        const named = this.#tracer ? namedPressure(event, this.#tracer.ownerOf) : event;
        this.#events.next(named);
        if (named.level === 'critical') this.#events.next(suggestionFor(shortageOf(named), sources));
      },
      onError: (cause) => this.#events.error(cause),
    });
  }

  async #measure(options: PressureOptions): Promise<void> {
    const { PressureMonitor } = await import('../pressure/monitor.ts');
    this.#pressure = new PressureMonitor(options, this.#envelopes);
    this.#pressure.events$.subscribe({
      next: (event) => {
        if (this.#isReported(event)) this.#events.next(event);
      },
      error: (cause: unknown) => this.#events.error(cause),
    });
  }

  /** Makes the guard look when pressure changes. */
  #heed(monitor: PressureMonitor, windowsMs: readonly number[]): void {
    this.#feed = feedOf(monitor, windowsMs);
    monitor.events$.subscribe({
      next: (event) => {
        if (event.type !== 'pressure.stall') this.#guard?.opened.guard.look();
      },
      error: () => {}, // told by the other subscriber
    });
  }

  /** Makes the `tracer.lost` for a receiver that had to drop events. It is not emitted in `events$`. */
  lostBehind(dropped: Record<string, number>): TracerLost {
    return this.#losses.behind(dropped);
  }

  /** Makes the `tracer.lost` for events that the history could not keep, and emits it in `events$`. */
  lostInHistory(dropped: Record<string, number>): void {
    this.#events.next(this.#losses.unkept(dropped));
  }

  /**
   * Replaces the guard. If the new one cannot start, the previous one is started again and the error is thrown.
   *
   * @returns notes for the log
   * @throws OomscopeError as openGuard. If the previous guard cannot start again either, the message has both reasons
   * and
   *   says that no guard is running
   */
  async guardBy(config: Config): Promise<string[]> {
    const before = this.#guard;
    this.#guard = undefined;
    // The old and the new guard must not run at the same time, because they would kill the same victims and write the
    // same state file.
    await before?.opened.close();
    try {
      return await this.#start(config);
    } catch (error) {
      if (before) await this.#startAgain(before.config, error as Error);
      throw error;
    }
  }

  /** @param reason why the guard that should have replaced this one did not start */
  async #startAgain(config: Config, reason: Error): Promise<void> {
    try {
      await this.#start(config);
    } catch (error) {
      const code = reason instanceof OomscopeError ? reason.code : 'CONFIG';
      const second = `The previous guard could not be started again: ${(error as Error).message}`;
      const message = `${reason.message}\n${second}\nNo guard is running: correct the configuration and reload.`;
      throw new OomscopeError(code, message, { cause: reason });
    }
  }

  async #start(config: Config): Promise<string[]> {
    if (!config.guard) return [];
    const { mode, arm, policy } = config.guard;
    const arms = mode === 'enforce' && arm;
    const wantsFeed = config.pressure.enabled && readsOwnPressure(policy);
    const opened = await openGuard(config.guard, {
      envelopes: this.#envelopes,
      ...(arms && { programs: () => this.#keptPrograms() }),
      supervisor: await this.supervisor?.(),
      ...(wantsFeed && { pressure: (path: string) => this.#feed?.(path) }),
    });
    this.#guard = { opened, config };
    opened.guard.events$.subscribe({
      next: (event) => {
        this.#events.next(event);
        if (event.type === 'guard.action') this.#tracer?.killWatch?.onGuard(event);
      },
      error: (cause: unknown) => this.#events.error(cause),
    });
    opened.guard.start();
    return opened.notes;
  }

  async #keptPrograms(): Promise<GuardPrograms> {
    const { GuardPrograms: Kept } = await import('../bpf/load/guard-loader.ts');
    this.#programs ??= new Kept();
    return this.#programs;
  }

  async close(): Promise<void> {
    await this.#guard?.opened.close();
    this.#programs?.close();
    this.#shortage?.close();
    this.#tracer?.close(); // closes the monitor as well
    this.#pressure?.close();
    this.#events.complete();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

async function pressureOptions({ windows, cgroups }: Config['pressure']): Promise<PressureOptions> {
  const { defaultWindows } = await import('../pressure/options.ts');
  const levels = defaultWindows.at(-1);
  const chosen = windows.map((ms) => defaultWindows.find((window) => window.ms === ms) ?? { ...levels, ms });
  return { windows: chosen, ...(cgroups.length > 0 && { cgroups }), stallMs: null };
}
