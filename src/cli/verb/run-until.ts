/** Ends a long-running verb: on a signal, after a duration, when enough was seen, or on an error. */
import { constants } from 'node:os';

/** Time that a verb has to close everything after a signal (ms). Waiting alerts take up to 3.5 seconds of it. */
const CLOSE_MS = 4500;

/**
 * The signals that by default end a process, and after which JavaScript still runs. All of them end a verb in the same
 * way, so that none of them leaves a changed oom_score_adj, a throttle or a terminal without echo behind. Missing are
 * those of a crash: SIGABRT also comes from systemd's watchdog when JavaScript hangs. Node would open its debugger on
 * SIGUSR1.
 */
export const endingSignals = [
  ...['SIGHUP', 'SIGINT', 'SIGQUIT', 'SIGTERM', 'SIGUSR1', 'SIGUSR2', 'SIGALRM', 'SIGVTALRM', 'SIGPROF'],
  ...['SIGXCPU', 'SIGIO', 'SIGPWR', 'SIGSTKFLT'],
] as NodeJS.Signals[];

export class RunUntil {
  readonly #stop = new AbortController();
  readonly #handlers = new Map<NodeJS.Signals, () => void>();

  /** Ends the verb. It may be called repeatedly, and may be passed as a callback. */
  readonly now = (): void => this.#stop.abort();

  /** Ends the verb because of an error. `throwFailure()` throws this error after everything is closed. */
  readonly fail = (error: unknown): void => this.#stop.abort(error);

  /** Aborted when the verb ends, so that pending waits end, too. */
  get signal(): AbortSignal {
    return this.#stop.signal;
  }

  /**
   * The first of these signals ends the verb. The second ends the process at once, with 128 and the signal's number: its
   * `exit` listeners still run, and a guard takes back what it did. If something cannot be closed in time, because a
   * reader of stdout does not read or a file system hangs, the process ends in the same way.
   */
  bySignals(signals: readonly NodeJS.Signals[] = endingSignals): void {
    for (const signal of signals) {
      const handler = () => {
        const exit = () => process.exit(128 + constants.signals[signal]);
        if (this.#stop.signal.aborted) exit();
        this.now();
        // No message: stderr can be the pipe whose reader does not read, and then writing would block.
        setTimeout(exit, CLOSE_MS).unref();
      };
      this.#handlers.set(signal, handler);
      process.on(signal, handler);
    }
  }

  /** Resolves when the verb ends. @param durationMs ends the verb after this time; undefined: no limit */
  async comes(durationMs?: number): Promise<void> {
    const { signal } = this.#stop;
    const timer = durationMs === undefined ? undefined : setTimeout(this.now, durationMs);
    if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
    clearTimeout(timer);
  }

  /** The caller calls it after everything is closed. @throws the error that was passed to `fail`, if any */
  throwFailure(): void {
    const { reason } = this.#stop.signal;
    if (reason instanceof Error && reason.name !== 'AbortError') throw reason;
  }
}
