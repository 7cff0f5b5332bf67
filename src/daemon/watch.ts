/**
 * All of it from one configuration: the tracer, the pressure monitor and the guard, as one stream of events. The tracer and
 * the monitor stay as they are when the rules are replaced.
 */
import type { Observable } from 'rxjs';
import { Subject } from 'rxjs/internal/Subject';
import type { Config } from '../config/config.ts';
import { type OpenedGuard, openGuard } from '../guard/open-guard.ts';
import type { PressureFeed } from '../guard/senses/sampler.ts';
import type { Event } from '../model/events.ts';
import type { PressureMonitor } from '../pressure/monitor.ts';
import type { Tracer } from '../tracer/tracer.ts';

/** A countdown that nobody has spoken of for so long is over. */
const COUNTDOWN_MS = 1000;
/** Levels of pressure are read from the kernel's maps, all at once: no more often than this. */
const TOTALS_MS = 5;

export class Watch implements AsyncDisposable {
  readonly events$: Observable<Event>;
  readonly tracer: Tracer | undefined;
  readonly pressure: PressureMonitor | undefined;
  readonly #events = new Subject<Event>();
  readonly #feed: PressureFeed | undefined;
  #guard: { opened: OpenedGuard; config: Config } | undefined;

  private constructor(tracer: Tracer | undefined, pressure: PressureMonitor | undefined, windowsMs: readonly number[]) {
    this.tracer = tracer;
    this.pressure = pressure;
    this.events$ = this.#events.asObservable();
    this.#feed = pressure && feedOf(pressure, windowsMs);
    const error = (cause: unknown) => this.#events.error(cause);
    tracer?.events$.subscribe({
      next: (event) => {
        this.#events.next(event);
        if (event.type === 'oom.kill') this.#guard?.opened.guard.kernelKilled(event);
      },
      error,
    });
    pressure?.events$.subscribe({
      next: (event) => {
        this.#events.next(event);
        if (event.type !== 'pressure.stall') this.#guard?.opened.guard.wake();
      },
      error,
    });
  }

  /** @throws OomscopeError as openTracer, openPressure and openGuard */
  static async open({ trace, pressure }: Config): Promise<Watch> {
    const tracer = trace.enabled
      ? await (await import('../tracer/tracer.ts')).openTracer({
          candidates: trace.candidates,
          ...(trace.ring !== undefined && { ringBytes: trace.ring }),
        })
      : undefined;
    if (!pressure.enabled) return new Watch(tracer, undefined, []);
    try {
      const { defaultWindows, openPressure } = await import('../pressure/monitor.ts');
      const levels = defaultWindows.at(-1);
      const windows = pressure.windows.map(
        (ms) => defaultWindows.find((window) => window.ms === ms) ?? { ...levels, ms },
      );
      const monitor = await openPressure({ windows, cgroups: pressure.cgroups, stallMs: null });
      return new Watch(tracer, monitor, pressure.windows);
    } catch (error) {
      tracer?.close();
      throw error;
    }
  }

  /**
   * The guard by this configuration, in the place of the one before, which goes on when this one cannot be had.
   *
   * @returns notes for people
   * @throws OomscopeError as openGuard
   */
  async guardBy(config: Config): Promise<string[]> {
    const before = this.#guard;
    this.#guard = undefined;
    // Not side by side: both would hold the same victims, and keep what they changed in the same file.
    await before?.opened.close();
    try {
      return await this.#start(config);
    } catch (error) {
      if (before) await this.#start(before.config);
      throw error;
    }
  }

  async #start(config: Config): Promise<string[]> {
    if (!config.guard) return [];
    const opened = await openGuard(config.guard, this.#feed ? { pressure: this.#feed } : {});
    this.#guard = { opened, config };
    opened.guard.events$.subscribe({
      next: (event) => this.#events.next(event),
      error: (cause: unknown) => this.#events.error(cause),
    });
    opened.guard.start();
    return opened.notes;
  }

  async close(): Promise<void> {
    await this.#guard?.opened.close();
    this.pressure?.close();
    this.tracer?.close();
    this.#events.complete();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

function feedOf(monitor: PressureMonitor, windowsMs: readonly number[]): PressureFeed {
  // Who was never stalled is not among the totals.
  const calm = windowsMs.map((ms) => ({ window_seconds: ms / 1000, some: 0, full: 0 }));
  const rounds = new Map<string, { count: number; atMs: number }>();
  monitor.countdown$.subscribe(({ subject, fruitless_rounds }) => {
    rounds.set(subject.path, { count: fruitless_rounds, atMs: performance.now() });
  });
  let readMs = Number.NEGATIVE_INFINITY;
  let shares = new Map<string, { window_seconds: number; some: number; full: number | null }[]>();
  return (path) => {
    const now = performance.now();
    if (now - readMs > TOTALS_MS) {
      readMs = now;
      shares = new Map(
        monitor.totals().map(({ subject, windows }) => [
          subject.path,
          windows.map(({ window_seconds, some, full }) => ({
            window_seconds,
            some: 100 * some,
            full: full === null ? null : 100 * full,
          })),
        ]),
      );
    }
    const countdown = rounds.get(path);
    if (countdown && now - countdown.atMs > COUNTDOWN_MS) rounds.delete(path);
    return { windows: shares.get(path) ?? calm, fruitless_rounds: rounds.get(path)?.count ?? 0 };
  };
}
