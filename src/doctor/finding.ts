/** The result of one check. */
export interface Finding {
  area: Area;
  name: string;
  severity: Severity;
  found: string;
  /** What it means on this machine; null where `found` says enough. */
  reason: string | null;
  /** What to do, a command where there is one; null: nothing. */
  remedy: string | null;
}

/**
 * - `ok`, `info`: nothing to do.
 * - `warning`: something works with less, or will do harm under memory pressure.
 * - `critical`: the next shortage of memory will end badly.
 * - `missing`: tracing is not possible without it.
 * - `unknown`: the check could not read what it needs.
 */
export type Severity = 'ok' | 'info' | 'unknown' | 'warning' | 'missing' | 'critical';

export const areas = ['tracing', 'kernel', 'memory', 'cgroups', 'protection', 'killers'] as const;
export type Area = (typeof areas)[number];

/** Reads a file below the machine's root; undefined: it is missing or not readable. */
export type Read = (path: string) => string | undefined;

/** Makers of findings in one area. */
export function findingsOf(area: Area) {
  const make =
    (severity: Severity) =>
    (name: string, found: string, reason: string | null = null, remedy: string | null = null): Finding => ({
      area,
      name,
      severity,
      found,
      reason,
      remedy,
    });
  return {
    ok: make('ok'),
    info: make('info'),
    unknown: make('unknown'),
    warning: make('warning'),
    critical: make('critical'),
    missing: make('missing'),
  };
}
