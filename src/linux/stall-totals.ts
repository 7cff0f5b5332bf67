import { numberAt } from './small-file.ts';

/** Time that tasks were stalled on memory, in microseconds since the start: `total` of a PSI file. */
export interface StallTotals {
  someUs: number;
  fullUs: number;
}

/** Of /proc/pressure/memory or a cgroup's memory.pressure; null when there is nothing to read. */
export function stallTotals(bytes: Buffer | undefined): StallTotals | null {
  const some = bytes ? bytes.indexOf(TOTAL) : -1;
  const full = bytes && some >= 0 ? bytes.indexOf(TOTAL, some + 1) : -1;
  if (!bytes || full < 0) return null;
  return { someUs: numberAt(bytes, some + TOTAL.length), fullUs: numberAt(bytes, full + TOTAL.length) };
}

const TOTAL = 'total=';
