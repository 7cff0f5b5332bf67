import type { MemoryCgroup } from './memory-cgroup.ts';

/** The usage of a cgroup, and the part of it that the kernel reclaims first. */
export interface UsageReading {
  usageBytes: number;
  inactiveFileBytes: number;
  /** Usage without inactive file pages. */
  usedBytes: number;
  /** Whether memory.stat was read again for this reading. */
  refreshed: boolean;
}

/**
 * memory.stat is read again when usage has changed by more than `movedBytes`, or the last reading is older than
 * `ageMs`.
 */
export interface StatRefresh {
  movedBytes: number;
  ageMs: number;
}

/**
 * Reads the usage of one cgroup often and cheaply. Reading memory.stat is expensive, because the kernel sums it over
 * all CPUs, so the number of inactive file pages is read again only under the conditions of `refresh`. The caller
 * closes the cgroup.
 */
export class CgroupUsage {
  readonly #cgroup: MemoryCgroup;
  readonly #refresh: StatRefresh;
  #stat = { atMs: Number.NEGATIVE_INFINITY, usageBytes: Number.NaN, inactiveFileBytes: 0 };

  constructor(cgroup: MemoryCgroup, refresh: StatRefresh) {
    this.#cgroup = cgroup;
    this.#refresh = refresh;
  }

  /** undefined: the cgroup has been removed. @param nowMs the time by any clock that does not jump */
  read(nowMs: number): UsageReading | undefined {
    const usageBytes = this.#cgroup.usage();
    if (usageBytes === undefined) return undefined;
    const { movedBytes, ageMs } = this.#refresh;
    const unmoved = Math.abs(usageBytes - this.#stat.usageBytes) <= movedBytes; // false for the first reading
    const refreshed = !unmoved || nowMs - this.#stat.atMs > ageMs;
    if (refreshed) this.#stat = { atMs: nowMs, usageBytes, inactiveFileBytes: this.#cgroup.inactiveFile() ?? 0 };
    const { inactiveFileBytes } = this.#stat;
    return { usageBytes, inactiveFileBytes, usedBytes: Math.max(0, usageBytes - inactiveFileBytes), refreshed };
  }
}
