import type { CgroupMemory, MemoryCgroup } from './memory-cgroup.ts';

/** The usage of a cgroup, and the part of it that the kernel reclaims first. */
export interface UsageReading {
  usageBytes: number;
  inactiveFileBytes: number;
  /** Usage without inactive file pages. */
  usedBytes: number;
  /** What the memory is used for. undefined: memory.stat cannot be read. */
  memory: CgroupMemory | undefined;
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
  /**
   * Used instead of `ageMs` while less than a sixteenth of the limit is left. There the kernel replaces pages of files by
   * other memory, and usage does not change.
   */
  fullAgeMs?: number;
}

/** The part of the limit below which `fullAgeMs` counts. */
export const FULL_PART = 16;

/** Whether less than a sixteenth of the limit is left. */
export function isNearlyFull(usageBytes: number, limitBytes: number | null): boolean {
  return limitBytes !== null && limitBytes - usageBytes < limitBytes / FULL_PART;
}

/**
 * Reads the usage of one cgroup often and cheaply. Reading memory.stat is expensive, because the kernel sums it over
 * all CPUs, so the number of inactive file pages is read again only under the conditions of `refresh`. The caller
 * closes the cgroup.
 */
export class CgroupUsage {
  readonly #cgroup: MemoryCgroup;
  readonly #refresh: StatRefresh;
  #stat: { atMs: number; usageBytes: number; memory: CgroupMemory | undefined } = {
    atMs: Number.NEGATIVE_INFINITY,
    usageBytes: Number.NaN,
    memory: undefined,
  };

  constructor(cgroup: MemoryCgroup, refresh: StatRefresh) {
    this.#cgroup = cgroup;
    this.#refresh = refresh;
  }

  /**
   * undefined: the cgroup has been removed.
   *
   * @param nowMs the time by any clock that does not jump
   * @param limitBytes the limit of the cgroup, for `fullAgeMs`
   */
  read(nowMs: number, limitBytes: number | null = null): UsageReading | undefined {
    const usageBytes = this.#cgroup.usage();
    if (usageBytes === undefined) return undefined;
    const { movedBytes, ageMs, fullAgeMs = ageMs } = this.#refresh;
    const full = isNearlyFull(usageBytes, limitBytes);
    const unmoved = Math.abs(usageBytes - this.#stat.usageBytes) <= movedBytes; // false for the first reading
    const refreshed = !unmoved || nowMs - this.#stat.atMs > (full ? fullAgeMs : ageMs);
    if (refreshed) this.#stat = { atMs: nowMs, usageBytes, memory: this.#cgroup.memory() };
    const { memory } = this.#stat;
    const inactiveFileBytes = memory?.inactiveFileBytes ?? 0;
    return { usageBytes, inactiveFileBytes, usedBytes: Math.max(0, usageBytes - inactiveFileBytes), memory, refreshed };
  }
}
