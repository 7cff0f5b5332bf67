/** Which entries of the history are wanted, and the SQL for it. */
import { type EntryKind, Rank } from './entry.ts';

export interface Filter {
  sinceMs?: number | undefined;
  untilMs?: number | undefined;
  /** Globs, of which one must match. A container also matches the beginning of its id. */
  containers?: readonly string[];
  pods?: readonly string[];
  units?: readonly string[];
  names?: readonly string[];
  /** Only these kinds, also those that are otherwise not listed. */
  kinds?: readonly EntryKind[];
  /** Only entries before this one, for the next page of a list. */
  before?: { timeMs: number; number: number };
}

/** A value of a parameter of SQL. */
export type Cell = string | number | null;

/** The condition of SQL for a filter. It calls the function `matches(glob, text)`. */
export function conditions(filter: Filter): { where: string; values: Cell[] } {
  const { sinceMs, untilMs, containers = [], pods = [], units = [], names = [], kinds = [], before } = filter;
  const parts: string[] = [];
  const values: Cell[] = [];
  const add = (part: string, ...given: Cell[]) => {
    parts.push(part);
    values.push(...given);
  };
  const any = (globs: readonly string[], one: string, valuesOf: (glob: string) => Cell[]) => {
    if (globs.length > 0) add(`(${globs.map(() => one).join(' OR ')})`, ...globs.flatMap(valuesOf));
  };
  if (sinceMs !== undefined) add('time_ms >= ?', Math.floor(sinceMs));
  if (untilMs !== undefined) add('time_ms <= ?', Math.ceil(untilMs));
  if (before) add('(time_ms, number) < (?, ?)', before.timeMs, before.number);
  any(containers, '(matches(?, container) OR substr(container_id, 1, ?) = ?)', (glob) => [
    glob,
    Math.max(4, glob.length),
    glob,
  ]);
  any(pods, "(matches(?, pod) OR matches('*/' || ?, pod))", (glob) => [glob, glob]);
  any(units, 'matches(?, unit)', (glob) => [glob]);
  any(names, 'matches(?, name)', (glob) => [glob]);
  if (kinds.length > 0) add(`kind IN (${kinds.map(() => '?').join()}) AND rank > 0`, ...kinds);
  else add(`rank = ${Rank.listed}`);
  return { where: parts.join(' AND '), values };
}
