import { defer, mergeMap, type OperatorFunction } from 'rxjs';
import type { Envelope } from '../model/events.ts';
import { levelIndex } from '../model/level.ts';
import type { PressureLevelName, PressureSubject } from '../model/pressure.ts';
import type { HasLevel } from './level-at-least.ts';
import { subjectKey } from './subject-key.ts';

/** From the first level above `normal` to the return to it. */
export interface Episode<E> {
  /** The same for all that is said of one episode: alerts are de-duplicated by it. */
  id: string;
  subject: PressureSubject;
  /** `begun`; `worse`: a level higher than any before; `over`. */
  state: 'begun' | 'worse' | 'over';
  peak: PressureLevelName;
  /** Since it began, by the events' own clock. */
  duration_ns: number;
  /** The event that this is said for. */
  event: E;
}

type Levelled = Envelope & HasLevel & { subject: PressureSubject; episode?: string };

/**
 * What is worth saying of an episode: that it has begun, that it is worse than ever, that it is over. The steps between are
 * left out. Keeps the subjects apart by itself.
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
          if (!before && level === 'normal') return []; // its beginning was before our time
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
