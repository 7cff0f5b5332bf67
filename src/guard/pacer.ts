/**
 * Decides when the guard samples. While memory is steady, however near to a limit, a look at its levels takes the place of
 * most samples: a sample costs some ten times as much.
 */
import type { MachineView } from './ladder/machine-view.ts';
import type { Slack } from './rules/pace.ts';

export class Pacer {
  readonly #machine: MachineView;
  readonly #sample: () => void;
  readonly #longestMs: number;
  #timer: NodeJS.Timeout | undefined;
  #slack: readonly Slack[] | undefined;
  #everyMs = 0;
  #dueMs = 0;

  /** @param longestMs after this time a look is not enough */
  constructor(machine: MachineView, sample: () => void, longestMs: number) {
    this.#machine = machine;
    this.#sample = sample;
    this.#longestMs = longestMs;
  }

  /** Looks or samples after this time (ms). */
  schedule(ms: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#tick(), ms);
  }

  /**
   * To be called after each sample.
   *
   * @param slack how much memory must be taken before a rule can fire; undefined: a look is not enough
   * @param everyMs the interval between two looks
   */
  sampled(slack: readonly Slack[] | undefined, everyMs: number): void {
    this.#slack = slack;
    this.#everyMs = everyMs;
    this.#dueMs = performance.now() + this.#longestMs;
  }

  stop(): void {
    clearTimeout(this.#timer);
  }

  #tick(): void {
    const steady = this.#slack && performance.now() < this.#dueMs && this.#machine.moved?.(this.#slack) === false;
    if (steady) this.schedule(this.#everyMs);
    else this.#sample();
  }
}
