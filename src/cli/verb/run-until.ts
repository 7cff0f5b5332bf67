/** Ends a long-running verb: on a signal, after a duration, when enough was seen, or on an error. */
export class RunUntil {
  readonly #stop = new AbortController();

  /** Ends the verb. Idempotent, and bound: it may be handed on. */
  readonly now = (): void => this.#stop.abort();

  /** Ends the verb because of an error, which `throwFailure` throws once everything is closed. */
  readonly fail = (error: unknown): void => this.#stop.abort(error);

  /** Aborted when the verb ends: for what waits in between. */
  get signal(): AbortSignal {
    return this.#stop.signal;
  }

  /** The first of these signals ends the verb; the second ends the process. */
  bySignals(...signals: NodeJS.Signals[]): void {
    for (const signal of signals) process.once(signal, this.now);
  }

  /** Resolves when the verb ends. @param durationMs at the latest; undefined: no limit */
  async comes(durationMs?: number): Promise<void> {
    const { signal } = this.#stop;
    const timer = durationMs === undefined ? undefined : setTimeout(this.now, durationMs);
    if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
    clearTimeout(timer);
  }

  /** To be called when all is closed. @throws the error given to `fail`, if there was one */
  throwFailure(): void {
    const { reason } = this.#stop.signal;
    if (reason instanceof Error && reason.name !== 'AbortError') throw reason;
  }
}
