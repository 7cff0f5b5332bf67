import { defer, filter, type MonoTypeOperatorFunction } from 'rxjs';
import { levelIndex } from '../model/level.ts';
import type { PressureLevelName, PressureSubject } from '../model/pressure.ts';
import { subjectKey } from './subject-key.ts';

/** What the operators ask of an event: that of `pressure.level` and of `memory.usage`. */
export interface HasLevel {
  subject: PressureSubject;
  level: PressureLevelName;
  previous: PressureLevelName;
}

/**
 * Lets pass what reaches a level, and from there on each event of that subject, up to and with its return to `normal`:
 * whoever hears of the beginning hears of the end.
 */
export function levelAtLeast<E extends HasLevel>(level: PressureLevelName): MonoTypeOperatorFunction<E> {
  return (source) => defer(() => source.pipe(filter<E>(reaches(level))));
}

/** The same as a question to each event in turn. It remembers which subjects have reached the level. */
export function reaches(level: PressureLevelName): (event: HasLevel) => boolean {
  const reached = new Set<string>();
  return (event) => {
    const key = subjectKey(event.subject);
    if (event.level === 'normal') return reached.delete(key) || level === 'normal';
    if (levelIndex(event.level) >= levelIndex(level)) reached.add(key);
    return reached.has(key);
  };
}
