import { asyncScheduler, type MonoTypeOperatorFunction, Observable, type SchedulerLike, type Subscription } from 'rxjs';
import { refuseUnknownOptions } from '../text/unknown-option.ts';
import type { HasLevel } from './level-at-least.ts';

/** Options of `sustained()`. */
export interface SustainedOptions<E> {
  /** The condition that must hold. Default: the level is not `normal`. */
  holds?: (event: E) => boolean;
  /** The clock. Default: `asyncScheduler` of RxJS. */
  scheduler?: SchedulerLike;
}

/**
 * Drops events until their condition has held for `durationMs` milliseconds. Then it passes the latest event, and every
 * further event up to and including the one that ends the condition. If the condition ends sooner, no event passes. The
 * input must be the events of one subject; `perCgroup()` separates subjects.
 *
 * @throws OomscopeError USAGE: an option does not exist
 */
export function sustained<E extends HasLevel>(
  durationMs: number,
  options: SustainedOptions<E> = {},
): MonoTypeOperatorFunction<E> {
  refuseUnknownOptions('sustained()', options, { holds: true, scheduler: true });
  const { holds = ({ level }) => level !== 'normal', scheduler = asyncScheduler } = options;
  return (source) =>
    new Observable((subscriber) => {
      let latest: E;
      let state: 'off' | 'waiting' | 'on' = 'off';
      let waiting: Subscription | undefined;
      const stop = () => {
        waiting?.unsubscribe();
        waiting = undefined;
      };
      const subscription = source.subscribe({
        next: (event) => {
          latest = event;
          if (state === 'on') {
            if (!holds(event)) state = 'off';
            subscriber.next(event);
          } else if (!holds(event)) {
            state = 'off';
            stop();
          } else if (state === 'off') {
            state = 'waiting';
            waiting = scheduler.schedule(() => {
              state = 'on';
              subscriber.next(latest);
            }, durationMs);
          }
        },
        error: (error) => subscriber.error(error),
        complete: () => subscriber.complete(),
      });
      return () => {
        subscription.unsubscribe();
        stop();
      };
    });
}
