/** How many requests a second are answered: a bucket that holds the requests of two seconds. */
export class Budget {
  readonly #perSecond: number;
  readonly #now: () => number;
  #left: number;
  #atMs: number;

  /** @param now milliseconds of a clock that is never set back */
  constructor(perSecond: number, now = () => performance.now()) {
    this.#perSecond = perSecond;
    this.#now = now;
    this.#left = 2 * perSecond;
    this.#atMs = now();
  }

  /** @returns false: the client must try again later */
  take(): boolean {
    const nowMs = this.#now();
    this.#left = Math.min(2 * this.#perSecond, this.#left + ((nowMs - this.#atMs) / 1000) * this.#perSecond);
    this.#atMs = nowMs;
    if (this.#left < 1) return false;
    this.#left--;
    return true;
  }
}
