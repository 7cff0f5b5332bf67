/**
 * Runs the tracer, the pressure monitor and the guard from one configuration, and merges their events into one stream.
 * The guard can be replaced while the tracer and the monitor continue to run.
 */
import { type Observable, Subject } from 'rxjs';
import type { Config } from '../config/config.ts';
import { type OpenedGuard, openGuard } from '../guard/open-guard.ts';
import type { PolicyOptions } from '../guard/rules/rule.ts';
import type { PressureFeed } from '../guard/senses/sampler.ts';
import { OomscopeError } from '../model/error.ts';
import type { Event } from '../model/events.ts';
import type { PressureMonitor } from '../pressure/monitor.ts';
import type { Tracer } from '../tracer/tracer.ts';

/** A count of fruitless reclaim rounds is outdated if it was not updated for this time (ms). */
const COUNTDOWN_MS = 1000;
/** With more counts than this, outdated ones are removed. */
const MOST_ROUNDS = 64;

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
        if (event.type !== 'pressure.stall') this.#guard?.opened.guard.look();
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
    const feed = readsOwnPressure(config.guard.policy) ? this.#feed : undefined;
    const opened = await openGuard(config.guard, feed ? { pressure: feed } : {});
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

/** Whether a rule reads what only the monitor measures. Otherwise its map is not read with every sample. */
function readsOwnPressure({ rules }: PolicyOptions): boolean {
  return rules.some(({ when }) =>
    when.some(
      ({ metric }) => metric.name === 'rounds_left' || (metric.name === 'pressure' && typeof metric.over === 'number'),
    ),
  );
}

function feedOf(monitor: PressureMonitor, windowsMs: readonly number[]): PressureFeed {
  // The monitor has no windows of cgroups that were never stalled.
  const calm = windowsMs.map((ms) => ({ window_seconds: ms / 1000, some: 0, full: 0 }));
  const rounds = new Map<string, { count: number; atMs: number }>();
  monitor.countdown$.subscribe(({ subject, fruitless_rounds }) => {
    const now = performance.now();
    // Nobody asks about most cgroups: their counts would never be removed.
    if (rounds.size > MOST_ROUNDS)
      for (const [path, { atMs }] of rounds) if (now - atMs > COUNTDOWN_MS) rounds.delete(path);
    rounds.set(subject.path, { count: fruitless_rounds, atMs: now });
  });
  return (path) => {
    const windows = monitor.windowsOf(path)?.map(({ window_seconds, some, full }) => ({
      window_seconds,
      some: 100 * some,
      full: full === null ? null : 100 * full,
    }));
    const countdown = rounds.get(path);
    if (countdown && performance.now() - countdown.atMs > COUNTDOWN_MS) rounds.delete(path);
    return { windows: windows ?? calm, fruitless_rounds: rounds.get(path)?.count ?? 0 };
  };
}
