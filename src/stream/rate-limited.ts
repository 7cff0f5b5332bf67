import { asyncScheduler, defer, filter, type MonoTypeOperatorFunction, type SchedulerLike } from 'rxjs';
import { OomscopeError } from '../model/error.ts';
import { type OptionNames, refuseUnknownOptions } from '../text/unknown-option.ts';

/** Options of `rateLimited()`. */
export interface RateLimit<E> {
  /** The number of events that may pass in a burst. At least 1. */
  count: number;
  /** The time in which the limit recovers completely: one event every `perMs` / `count` milliseconds. More than 0. */
  perMs: number;
  /** Events for which it returns true always pass and are not counted, such as the end of an episode. Default: none. */
  always?: (event: E) => boolean;
  /** Called when an event passes again, with the number of events dropped since the last one that passed. */
  onDropped?: (count: number) => void;
  /** The clock. Default: `asyncScheduler` of RxJS. */
  scheduler?: SchedulerLike;
}

const names: OptionNames<RateLimit<unknown>> = {
  count: true,
  perMs: true,
  always: true,
  onDropped: true,
  scheduler: true,
};

/**
 * Passes bursts of at most `count` events, on average `count` events in `perMs` milliseconds, and drops the others. It
 * is a token bucket.
 *
 * @throws OomscopeError USAGE: an option does not exist or is out of range
 */
export function rateLimited<E>(options: RateLimit<E>): MonoTypeOperatorFunction<E> {
  refuseUnknownOptions('rateLimited()', options, names);
  const { count, perMs, always = () => false, onDropped = () => {}, scheduler = asyncScheduler } = options;
  if (!(count >= 1) || !(perMs > 0)) {
    const got = `${count} in ${perMs} ms`;
    throw new OomscopeError('USAGE', `rateLimited(): expected a count of at least 1 and a time above 0, got ${got}.`);
  }
  return (source) =>
    defer(() => {
      let tokens = count;
      let at = scheduler.now();
      let dropped = 0;
      return source.pipe(
        filter((event) => {
          if (always(event)) return true;
          const now = scheduler.now();
          tokens = Math.min(count, tokens + (Math.max(0, now - at) * count) / perMs);
          at = now;
          if (tokens < 1) {
            dropped++;
            return false;
          }
          tokens--;
          if (dropped > 0) onDropped(dropped);
          dropped = 0;
          return true;
        }),
      );
    });
}
