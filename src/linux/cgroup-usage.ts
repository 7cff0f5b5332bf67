import type { MemoryCgroup } from './memory-cgroup.ts';

/** How much a cgroup uses, and which part of it the kernel reclaims first. */
export interface UsageReading {
  usageBytes: number;
  inactiveFileBytes: number;
  /** Usage without inactive file pages: what is in use and not given back for the asking. */
  usedBytes: number;
  /** memory.stat was read again for this reading. */
  refreshed: boolean;
}

/** When memory.stat is read again: usage has moved by more than this, or the last reading is older than this. */
export interface StatRefresh {
  movedBytes: number;
  ageMs: number;
}

/**
 * Reads the usage of one cgroup often and cheaply. The kernel sums memory.stat over all CPUs for each reader, so inactive
 * file pages are taken from the last reading until `refresh` says otherwise. Does not own the cgroup.
 */
export class CgroupUsage {
  readonly #cgroup: MemoryCgroup;
  readonly #refresh: StatRefresh;
  #stat = { atMs: Number.NEGATIVE_INFINITY, usageBytes: Number.NaN, inactiveFileBytes: 0 };

  constructor(cgroup: MemoryCgroup, refresh: StatRefresh) {
    this.#cgroup = cgroup;
    this.#refresh = refresh;
  }

  /** undefined: the cgroup is gone. @param nowMs of any clock that does not jump */
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
