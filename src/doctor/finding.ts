/** The result of one check. */
export interface Finding {
  area: Area;
  name: string;
  severity: Severity;
  found: string;
  /** What the finding means on this machine. null: `found` needs no explanation. */
  reason: string | null;
  /** What to do, if possible as a command. null: nothing to do. */
  remedy: string | null;
}

/**
 * - `ok`, `info`: there is nothing to do.
 * - `warning`: a part of oomscope works only partly, or a setting will do harm under memory pressure.
 * - `critical`: the machine may hang, panic or lose important processes at the next shortage of memory.
 * - `missing`: tracing is not possible because something is missing.
 * - `unknown`: the check could not read a file that it needs.
 */
export type Severity = 'ok' | 'info' | 'unknown' | 'warning' | 'missing' | 'critical';

export const areas = ['tracing', 'kernel', 'memory', 'cgroups', 'protection', 'killers'] as const;
export type Area = (typeof areas)[number];

/** Reads a file of the machine, such as /proc/meminfo. undefined: the file is missing or not readable. */
export type Read = (path: string) => string | undefined;

/** Functions that make findings in one area, one function for each severity. */
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
