/**
 * Measures how fast a quantity grows: it fits a straight line to the last samples by least squares, with a confidence
 * interval. The interval assumes that the deviations from the line are independent noise. Growth in steps gives a wider
 * interval. Accelerating growth is measured better with a shorter window.
 */
import type { Growth } from '../model/pressure.ts';

/** The slope of a straight line through samples. */
export interface Slope {
  /** The change per second. */
  perSecond: number;
  /** Half of the 95 % confidence interval. null: there are fewer than three samples. */
  uncertainty: number | null;
}

/** The last samples of one quantity. Each takes 16 bytes. */
export class GrowthWindow {
  readonly #seconds: Float64Array;
  readonly #values: Float64Array;
  #next = 0;
  #count = 0;

  /** @param capacity the number of samples that are kept */
  constructor(capacity = 30) {
    this.#seconds = new Float64Array(capacity);
    this.#values = new Float64Array(capacity);
  }

  /** Adds a sample. A sample that is not later than the last one is ignored. @param seconds the time of any clock */
  add(seconds: number, value: number): void {
    const { length } = this.#seconds;
    const last = this.#seconds[(this.#next + length - 1) % length] as number;
    if (this.#count > 0 && seconds <= last) return;
    this.#seconds[this.#next] = seconds;
    this.#values[this.#next] = value;
    this.#next = (this.#next + 1) % length;
    this.#count = Math.min(this.#count + 1, length);
  }

  /** The number of samples, at most the capacity. */
  get count(): number {
    return this.#count;
  }

  /**
   * Fits a line by least squares. undefined: there are fewer than two samples.
   *
   * @param recent uses only the samples of the last `recent` seconds, but at least three. Older samples would hide growth
   *   that has just begun or ended
   */
  slope(recent = Number.POSITIVE_INFINITY): Slope | undefined {
    if (this.#count < 2) return undefined;
    const { seconds, values } = this.#samples(recent);
    const n = seconds.length;
    const meanSeconds = mean(seconds);
    const meanValue = mean(values);
    let squares = 0;
    let products = 0;
    for (let i = 0; i < n; i++) {
      const dt = (seconds[i] as number) - meanSeconds;
      squares += dt * dt;
      products += dt * ((values[i] as number) - meanValue);
    }
    const perSecond = products / squares;
    if (n === 2) return { perSecond, uncertainty: null };
    let residuals = 0;
    for (let i = 0; i < n; i++) {
      const off = (values[i] as number) - meanValue - perSecond * ((seconds[i] as number) - meanSeconds);
      residuals += off * off;
    }
    return { perSecond, uncertainty: studentT975(n - 2) * Math.sqrt(residuals / (n - 2) / squares) };
  }

  #samples(recent: number): { seconds: Float64Array; values: Float64Array } {
    // Until the ring is full, its first slots have the samples. The sums do not depend on their order.
    const seconds = this.#seconds.subarray(0, this.#count);
    const values = this.#values.subarray(0, this.#count);
    if (recent === Number.POSITIVE_INFINITY) return { seconds, values };
    const third = [...seconds].sort((a, b) => b - a)[2] ?? 0;
    const from = Math.min(Math.max(...seconds) - recent, third);
    const young = (_: number, i: number) => (seconds[i] as number) >= from;
    return { seconds: seconds.filter(young), values: values.filter(young) };
  }
}

/**
 * Predicts when the memory that is left will be used up. null: there are too few samples for a confidence interval.
 *
 * @param leftBytes the memory that is left until the limit; null: there is no limit
 */
export function growthOf(slope: Slope | undefined, leftBytes: number | null): Growth | null {
  if (!slope || slope.uncertainty === null) return null;
  const { perSecond, uncertainty } = slope;
  const until = (bytesPerSecond: number) =>
    leftBytes !== null && bytesPerSecond > 0 ? leftBytes / bytesPerSecond : null;
  const soonest = until(perSecond + uncertainty);
  return {
    bytes_per_second: Math.round(perSecond),
    uncertainty_bytes_per_second: Math.round(uncertainty),
    exhausted_in_seconds: until(perSecond),
    exhausted_in_seconds_range: soonest === null ? null : [soonest, until(perSecond - uncertainty)],
  };
}

function mean(values: Float64Array): number {
  let sum = 0;
  for (const value of values) sum += value;
  return sum / values.length;
}

const few = [12.7062, 4.30265, 3.18245, 2.77645];
const Z = 1.959964;

/**
 * The 97.5th percentile of Student's t. Up to four degrees of freedom it is from a table, above that from Fisher's
 * expansion, exact to 0.1 %.
 */
export function studentT975(degreesOfFreedom: number): number {
  const n = degreesOfFreedom;
  return (
    few[n - 1] ??
    Z +
      (Z ** 3 + Z) / (4 * n) +
      (5 * Z ** 5 + 16 * Z ** 3 + 3 * Z) / (96 * n ** 2) +
      (3 * Z ** 7 + 19 * Z ** 5 + 17 * Z ** 3 - 15 * Z) / (384 * n ** 3)
  );
}
