import type { StallTotals } from '../linux/psi.ts';

/** Shares of the time, 0 to 1, in which tasks were stalled on memory. `full` is null if it is unknown. */
export interface StallShare {
  some: number;
  full: number | null;
}

/**
 * For each of many subjects, computes the share of the time in which tasks were stalled since the previous reading,
 * from the growing totals of PSI.
 */
export class StallMeter {
  readonly #before = new Map<string, StallTotals & { atMs: number }>();

  /**
   * @param totals the totals now; `fullUs` is NaN if it is unknown. null: they could not be read
   * @returns undefined: there is no previous reading, or no time has passed since it
   */
  next(key: string, totals: StallTotals | null, atMs: number): StallShare | undefined {
    const before = this.#before.get(key);
    if (totals) this.#before.set(key, { ...totals, atMs });
    if (!totals || !before || atMs <= before.atMs) return undefined;
    const us = (atMs - before.atMs) * 1000;
    return {
      some: Math.min(1, (totals.someUs - before.someUs) / us),
      full: Number.isNaN(totals.fullUs) ? null : Math.min(1, (totals.fullUs - before.fullUs) / us),
    };
  }

  forget(key: string): void {
    this.#before.delete(key);
  }
}
