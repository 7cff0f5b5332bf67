/** Ends a long-running verb: on a signal, after a duration, when enough was seen, or on an error. */
export class RunUntil {
  readonly #stop = new AbortController();

  /** Ends the verb. It may be called repeatedly, and may be passed as a callback. */
  readonly now = (): void => this.#stop.abort();

  /** Ends the verb because of an error. `throwFailure()` throws this error after everything is closed. */
  readonly fail = (error: unknown): void => this.#stop.abort(error);

  /** Aborted when the verb ends, so that pending waits end, too. */
  get signal(): AbortSignal {
    return this.#stop.signal;
  }

  /** The first of these signals ends the verb; the second ends the process. */
  bySignals(...signals: NodeJS.Signals[]): void {
    for (const signal of signals) process.once(signal, this.now);
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
