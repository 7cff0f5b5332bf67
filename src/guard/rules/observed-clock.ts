/**
 * The longest interval between two samples that counts in full (ms). The guard samples at least once a second, so after a
 * longer interval the guard was stopped (SIGSTOP, a suspended machine, a paused virtual machine).
 */
export const MOST_GAP_MS = 1500;

/**
 * Counts the time in which the guard has observed the machine. What happened while the guard was stopped is unknown, so
 * a longer interval between two samples counts as `mostGapMs`.
 */
export class ObservedClock {
  readonly #mostGapMs: number;
  #lastMs: number | undefined;
  #ms = 0;

  /** @param mostGapMs Infinity: every interval counts in full, as in a recording */
  constructor(mostGapMs = MOST_GAP_MS) {
    this.#mostGapMs = mostGapMs;
  }

  /** The observed time (ms). */
  get ms(): number {
    return this.#ms;
  }

  /** @param monoMs the time of a sample @returns the observed time (ms) */
  advance(monoMs: number): number {
    const gap = monoMs - (this.#lastMs ?? monoMs);
    this.#lastMs = monoMs;
    this.#ms += Math.min(Math.max(0, gap), this.#mostGapMs);
    return this.#ms;
  }
}
