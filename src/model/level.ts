/**
 * The levels of pressure and of usage, lowest first. The order is the same as in enum pressure_level in
 * bpf/pressure.h.
 */

import type { PressureLevelName } from './pressure.ts';
import type { Severity } from './severity.ts';

/** The levels, lowest first. */
export const levelNames = ['normal', 'low', 'medium', 'critical'] as const satisfies PressureLevelName[];

/** The levels above `normal`, lowest first. */
export const raisedLevels = ['low', 'medium', 'critical'] as const satisfies PressureLevelName[];

/** The rank of a level: 0 for `normal` to 3 for `critical`. */
export const levelIndex = (level: PressureLevelName): number => levelNames.indexOf(level);

const severities: Record<PressureLevelName, Severity> = {
  normal: 'info',
  low: 'info',
  medium: 'warning',
  critical: 'critical',
};

/**
 * The severity of an event that reports a level. `low` is only `info`: by default it means that tasks were stalled for
 * 10 % of the time or that memory is 70 % full, which needs no action.
 */
export const severityOfLevel = (level: PressureLevelName): Severity => severities[level];
