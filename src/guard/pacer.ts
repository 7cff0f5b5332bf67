/**
 * Decides when the guard samples. While memory is steady, however near to a limit, looks at its levels take the place of
 * most samples: a sample costs some ten times as much. The looks are taken outside of JavaScript where that is possible.
 */
import type { MachineView } from './ladder/machine-view.ts';
import type { Slack } from './rules/pace.ts';

export class Pacer {
  readonly #machine: MachineView;
  readonly #sample: () => void;
  #timer: NodeJS.Timeout | undefined;
  #slack: readonly Slack[] | undefined;
  #everyMs = 0;
  #longestMs = 0;
  #dueMs = 0;
  /** Whether looks are taken outside of JavaScript. */
  #watched = false;

  constructor(machine: MachineView, sample: () => void) {
    this.#machine = machine;
    this.#sample = () => {
      this.stop();
      sample();
    };
  }

  /** Looks or samples after this time (ms). */
  schedule(ms: number): void {
    this.stop();
    const interval = { leastMs: ms, mostMs: this.#longestMs };
    this.#watched =
      ms > 0 && this.#slack !== undefined && this.#machine.whenMoved?.(this.#slack, this.#sample, interval) === true;
    if (this.#watched) this.#timer = setTimeout(this.#sample, Math.max(ms, this.#dueMs - performance.now()));
    else this.#timer = setTimeout(() => this.#tick(), ms);
  }

  /** Looks immediately, unless looks are taken all the time. */
  look(): void {
    if (!this.#watched) this.schedule(0);
  }

  /**
   * To be called after each sample.
   *
   * @param slack how much memory must be taken before a rule can fire; undefined: a look is not enough
   * @param everyMs the interval between two looks
   * @param longestMs after this time a look is not enough
   */
  sampled(slack: readonly Slack[] | undefined, everyMs = 0, longestMs = 0): void {
    this.#slack = slack;
    this.#everyMs = everyMs;
    this.#longestMs = longestMs;
    this.#dueMs = performance.now() + longestMs;
  }

  stop(): void {
    clearTimeout(this.#timer);
    if (this.#watched) this.#machine.forgetMoves?.();
    this.#watched = false;
  }

  #tick(): void {
    const steady = this.#slack && performance.now() < this.#dueMs && this.#machine.moved?.(this.#slack) === false;
    if (steady) this.schedule(this.#everyMs);
    else this.#sample();
  }
}
