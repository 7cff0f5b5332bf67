import { defer, filter, type MonoTypeOperatorFunction } from 'rxjs';
import { levelIndex } from '../model/level.ts';
import type { PressureLevelName, PressureSubject } from '../model/pressure.ts';
import { subjectKey } from './subject-key.ts';

/** The fields that these operators need. `pressure.level` and `memory.usage` have them. */
export interface HasLevel {
  /** The system or cgroup that the level belongs to. */
  subject: PressureSubject;
  /** The level now. */
  level: PressureLevelName;
  /** The level before. */
  previous: PressureLevelName;
}

/**
 * Passes the first event of a subject that reaches `level`, and every later event of the same subject up to and
 * including its return to `normal`. So a subscriber that gets the beginning of an episode also gets its end.
 */
export function levelAtLeast<E extends HasLevel>(level: PressureLevelName): MonoTypeOperatorFunction<E> {
  return (source) => defer(() => source.pipe(filter<E>(reaches(level))));
}

/** levelAtLeast() as a predicate. It remembers which subjects have reached the level. */
export function reaches(level: PressureLevelName): (event: HasLevel) => boolean {
  const reached = new Set<string>();
  return (event) => {
    const key = subjectKey(event.subject);
    if (event.level === 'normal') return reached.delete(key) || level === 'normal';
    if (levelIndex(event.level) >= levelIndex(level)) reached.add(key);
    return reached.has(key);
  };
}
