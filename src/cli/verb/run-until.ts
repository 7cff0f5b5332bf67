/** How a verb that goes on until it is told to comes to its end: by a signal, after a time, by what it has seen, by an error. */
export class RunUntil {
  readonly #stop = new AbortController();

  /** It is enough. Idempotent, and may be handed on. */
  readonly now = (): void => this.#stop.abort();

  /** It cannot go on: `throwFailure` will say why. */
  readonly fail = (error: unknown): void => this.#stop.abort(error);

  /** From here on these end the verb, and not the process; the second time the process. */
  bySignals(...signals: NodeJS.Signals[]): void {
    for (const signal of signals) process.once(signal, this.now);
  }

  /** Resolves when it comes. @param durationMs no later than that; undefined: whenever */
  async comes(durationMs?: number): Promise<void> {
    const { signal } = this.#stop;
    const timer = durationMs === undefined ? undefined : setTimeout(this.now, durationMs);
    if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
    clearTimeout(timer);
  }

  /** For when all is closed. @throws what it could not go on for */
  throwFailure(): void {
    const { reason } = this.#stop.signal;
    if (reason instanceof Error && reason.name !== 'AbortError') throw reason;
  }
}
