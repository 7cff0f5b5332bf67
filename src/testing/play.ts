import { asyncScheduler, Observable, type SchedulerLike } from 'rxjs';
import { OomscopeError } from '../model/error.ts';
import type { Event } from '../model/events.ts';
import { refuseUnknownOptions } from '../text/unknown-option.ts';

/** Options of `play()`. */
export interface PlayOptions {
  /**
   * The RxJS scheduler that supplies the time. Default: `asyncScheduler`. A test that passes a `VirtualTimeScheduler`
   * or a `TestScheduler` controls the time itself.
   */
  scheduler?: SchedulerLike;
  /** Speed as a multiple of the recording's speed, above 0. Default 1. `Infinity`: without pauses. */
  speed?: number;
}

/**
 * Plays events: emits them with the pauses between their `mono_ns`, then completes. The events are unchanged, with the
 * times of the recording. The observable is cold: each subscription plays all events from the start.
 *
 * @throws OomscopeError USAGE: an option does not exist, or `speed` is not above 0
 */
export function play<E extends Event>(events: readonly E[], options: PlayOptions = {}): Observable<E> {
  refuseUnknownOptions('play()', options, { scheduler: true, speed: true });
  const { scheduler = asyncScheduler, speed = 1 } = options;
  if (!(speed > 0)) throw new OomscopeError('USAGE', `play(): expected a speed above 0, got ${speed}.`);
  return new Observable((subscriber) =>
    scheduler.schedule<number>(
      function (next = 0) {
        const event = events[next];
        if (event === undefined) return subscriber.complete();
        subscriber.next(event);
        this.schedule(next + 1, pauseMs(event, events[next + 1]) / speed);
      },
      0,
      0,
    ),
  );
}

/** The pause between two events. 0 when the second one is older: events that were completed late are emitted late. */
function pauseMs(event: Event, next: Event | undefined): number {
  return next === undefined ? 0 : Math.max(0, Number(BigInt(next.mono_ns) - BigInt(event.mono_ns)) / 1e6);
}
