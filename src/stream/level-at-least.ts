import type { MonoTypeOperatorFunction } from 'rxjs';
import { filter } from 'rxjs/internal/operators/filter';
import type { PressureLevelName } from '../model/pressure.ts';
import { rank } from './levels.ts';

/** What the operators ask of an event: that of `pressure.level` and of `memory.usage`. */
export interface HasLevel {
  level: PressureLevelName;
  previous: PressureLevelName;
}

/**
 * Lets pass what reaches a level, and what leaves it again: whoever hears of the beginning hears of the end. An event
 * between two levels that are both lower does not pass.
 */
export function levelAtLeast<E extends HasLevel>(level: PressureLevelName): MonoTypeOperatorFunction<E> {
  const least = rank(level);
  return filter((event) => rank(event.level) >= least || rank(event.previous) >= least);
}
