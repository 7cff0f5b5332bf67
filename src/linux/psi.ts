/** Parsers for PSI files: /proc/pressure/memory and memory.pressure of a cgroup (Documentation/accounting/psi.rst). */
import type { PressureAverages, SystemState } from '../model/events.ts';
import { numberAt } from './small-file.ts';

/**
 * How long tasks were stalled on memory since boot or since the cgroup was created: `total` of the file, in
 * microseconds.
 */
export interface StallTotals {
  someUs: number;
  fullUs: number;
}

const LINE = /^(some|full) avg10=([\d.]+) avg60=([\d.]+) avg300=([\d.]+) total=(\d+)$/gm;
const TOTAL = 'total=';

/** Parses averages and totals. null: there is no such file, PSI is switched off, or a line is missing. */
export function parsePressure(bytes: Buffer | undefined): SystemState['pressure'] {
  const found: { some?: PressureAverages; full?: PressureAverages } = {};
  for (const [, kind, avg10, avg60, avg300, total] of bytes?.toString('latin1').matchAll(LINE) ?? []) {
    found[kind as 'some' | 'full'] = {
      avg10: Number(avg10),
      avg60: Number(avg60),
      avg300: Number(avg300),
      total_ns: Number(total) * 1000,
    };
  }
  return found.some && found.full ? { some: found.some, full: found.full } : null;
}

/** Parses only the totals, in a tenth of the time. null: for the same reasons as in parsePressure(). */
export function parseStallTotals(bytes: Buffer | undefined): StallTotals | null {
  const some = bytes ? bytes.indexOf(TOTAL) : -1;
  const full = bytes && some >= 0 ? bytes.indexOf(TOTAL, some + 1) : -1;
  if (!bytes || full < 0) return null;
  return { someUs: numberAt(bytes, some + TOTAL.length), fullUs: numberAt(bytes, full + TOTAL.length) };
}
