import { defer, mergeMap, type OperatorFunction } from 'rxjs';
import type { Envelope } from '../model/events.ts';
import { levelIndex } from '../model/level.ts';
import type { PressureLevelName, PressureSubject } from '../model/pressure.ts';
import type { HasLevel } from './level-at-least.ts';
import { subjectKey } from './subject-key.ts';

/** A step in an episode. An episode lasts from the first level above `normal` until the return to `normal`. */
export interface Episode<E> {
  /** The id of the episode, the same for all its steps. */
  id: string;
  /** The system or cgroup that the level belongs to. */
  subject: PressureSubject;
  /**
   * `begun`: the level left `normal`. `worse`: the level is the highest of this episode so far. `over`: it is `normal`
   * again.
   */
  state: 'begun' | 'worse' | 'over';
  /** The highest level so far. */
  peak: PressureLevelName;
  /** The time since the episode began, by the time stamps of the events. */
  duration_ns: number;
  /** The event that caused this step. */
  event: E;
}

type Levelled = Envelope & HasLevel & { subject: PressureSubject; episode?: string };

/**
 * Reduces events to the steps of their episodes: begun, worse, over. Events that are not a step are dropped. Each
 * subject has its own episodes, so the caller need not group the events. The return to `normal` is dropped if no
 * earlier event of its episode was seen.
 */
export function episode<E extends Levelled>(): OperatorFunction<E, Episode<E>> {
  return (source) =>
    defer(() => {
      const open = new Map<string, { id: string; peak: PressureLevelName; beganNs: bigint }>();
      return source.pipe(
        mergeMap((event): Episode<E>[] => {
          const { subject, level, mono_ns } = event;
          const key = subjectKey(subject);
          const before = open.get(key);
          if (!before && level === 'normal') return []; // the episode began before the subscription
          const now = before ?? { id: event.episode ?? event.id, peak: level, beganNs: BigInt(mono_ns) };
          const state = level === 'normal' ? 'over' : !before ? 'begun' : 'worse';
          if (state === 'worse' && levelIndex(level) <= levelIndex(now.peak)) return [];
          if (levelIndex(level) > levelIndex(now.peak)) now.peak = level;
          if (state === 'over') open.delete(key);
          else open.set(key, now);
          const { id, peak, beganNs } = now;
          return [{ id, subject, state, peak, duration_ns: Number(BigInt(mono_ns) - beganNs), event }];
        }),
      );
    });
}
