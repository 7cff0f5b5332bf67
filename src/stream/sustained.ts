import { asyncScheduler, type MonoTypeOperatorFunction, Observable, type SchedulerLike, type Subscription } from 'rxjs';
import type { HasLevel } from './level-at-least.ts';

export interface SustainedOptions<E> {
  /** What must hold. Default: that the level is not `normal`. */
  holds?: (event: E) => boolean;
  scheduler?: SchedulerLike;
}

/**
 * Lets an event pass once what it says has held for `durationMs`: it is the latest event that passes then, and from there on
 * each one, up to and with the one that ends it. What ends sooner leaves no trace. Of one subject: see `perCgroup`.
 */
export function sustained<E extends HasLevel>(
  durationMs: number,
  { holds = ({ level }) => level !== 'normal', scheduler = asyncScheduler }: SustainedOptions<E> = {},
): MonoTypeOperatorFunction<E> {
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
