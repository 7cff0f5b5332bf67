/** What the doctor says about one thing. */
export interface Finding {
  area: Area;
  name: string;
  severity: Severity;
  found: string;
  /** What it means here. null where `found` says it all. */
  reason: string | null;
  /** What to do, where something is to be done: a command where there is one. */
  remedy: string | null;
}

/**
 * - `ok`, `info`: nothing to do.
 * - `warning`: works with less, or will hurt under pressure.
 * - `critical`: the next shortage of memory will end badly.
 * - `missing`: tracing is not possible without.
 * - `unknown`: cannot be told from here.
 */
export type Severity = 'ok' | 'info' | 'unknown' | 'warning' | 'missing' | 'critical';

export const areas = ['tracing', 'kernel', 'memory', 'cgroups', 'protection', 'killers'] as const;
export type Area = (typeof areas)[number];

/** Reads a file below the machine's root; undefined where it is not there or not readable. */
export type Read = (path: string) => string | undefined;

/** Findings of one area. */
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
