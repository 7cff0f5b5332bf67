/**
 * Decides when the guard samples. While memory is steady, however near to a limit, looks at its levels take the place of
 * most samples: a sample costs some ten times as much. The looks are taken outside of JavaScript where that is possible.
 */
import { untilBeat } from '../series/beat.ts';
import type { MachineView } from './ladder/machine-view.ts';
import { SLOWEST_MS, type Slack } from './rules/pace.ts';

/**
 * When memory has not moved for this long (ms), looks outside of JavaScript come at least LOOK_MS apart. Each wakes a
 * thread, which takes 20 to 30 µs however little it reads.
 */
const STEADY_MS = 5000;
/** Near a rule, and while every rule is far from firing, when it is as long as earlyoom's shortest sleep. */
const LOOK_MS = { near: 50, far: 100 };

export class Pacer {
  readonly #machine: MachineView;
  readonly #sample: () => void;
  #timer: NodeJS.Timeout | undefined;
  #slack: readonly Slack[] | undefined;
  #everyMs = 0;
  #longestMs = 0;
  #dueMs = 0;
  /** When memory last moved. */
  #movedMs = performance.now();
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
    this.#watched = ms > 0 && this.#slack !== undefined && this.#watch(this.#slack, ms);
    if (this.#watched) this.#timer = setTimeout(this.#sample, Math.max(ms, this.#dueMs - performance.now()));
    else this.#timer = setTimeout(() => this.#tick(), ms);
  }

  /** Samples immediately. */
  wake(): void {
    this.#slack = undefined;
    this.schedule(0);
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
    this.#dueMs = performance.now() + (longestMs < SLOWEST_MS ? longestMs : untilBeat(longestMs));
    if (slack === undefined) this.#movedMs = performance.now();
  }

  stop(): void {
    clearTimeout(this.#timer);
    if (this.#watched) this.#machine.forgetMoves?.();
    this.#watched = false;
  }

  /** @returns false: the machine takes no looks outside of JavaScript */
  #watch(slack: readonly Slack[], ms: number): boolean {
    const steady = performance.now() - this.#movedMs > STEADY_MS;
    const lookMs = LOOK_MS[this.#longestMs > SLOWEST_MS ? 'far' : 'near'];
    const leastMs = steady ? Math.max(ms, lookMs) : ms;
    const onMoved = () => {
      this.#movedMs = performance.now();
      this.#sample();
    };
    return this.#machine.whenMoved?.(slack, onMoved, { leastMs, mostMs: this.#longestMs }) === true;
  }

  #tick(): void {
    const steady = this.#slack && performance.now() < this.#dueMs && this.#machine.moved?.(this.#slack) === false;
    if (steady) this.schedule(this.#everyMs);
    else this.#sample();
  }
}
