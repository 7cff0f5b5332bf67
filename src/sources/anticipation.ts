/**
 * The kernel tells when reclaim is getting nowhere: most often a kill follows within a millisecond. JavaScript that has
 * slept is slow when it wakes, its code out of every cache: 0.3 ms for what takes 0.06 ms warm. So it wakes, warms up and
 * watches the ring for a moment. Where no kill comes of it, it looks out less and less often: a cgroup that thrashes at
 * its limit for hours must not cost a CPU.
 */
export class Anticipation {
  readonly #lookOut: (microseconds: number) => boolean;
  readonly #now: () => number;
  #fruitless = 0;
  #notBeforeMs = 0;

  /**
   * @param lookOut watches for at most so many microseconds
   * @param now milliseconds
   */
  constructor(lookOut: (microseconds: number) => boolean, now = () => performance.now()) {
    this.#lookOut = lookOut;
    this.#now = now;
  }

  /** At a hint. Returns whether it was worth the look. */
  lookOut(): boolean {
    if (this.#now() < this.#notBeforeMs) return false;
    this.#lookOut(LOOK_OUT_US);
    this.#fruitless++;
    // 20 ms, 40 ms, … 10 s: at most a seventh of the time, soon next to nothing.
    this.#notBeforeMs = this.#now() + Math.min(10_000, 10 * 2 ** Math.min(this.#fruitless, 10));
    return true;
  }

  /** A kill came. */
  cameTrue(): void {
    this.#fruitless = 0;
    this.#notBeforeMs = 0;
  }
}

const LOOK_OUT_US = 3000;
