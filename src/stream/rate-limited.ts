import { asyncScheduler, defer, filter, type MonoTypeOperatorFunction, type SchedulerLike } from 'rxjs';

export interface RateLimit<E> {
  /** How many may pass at once. */
  count: number;
  /** In which time so many may pass again: one every `perMs` / `count`. */
  perMs: number;
  /** What passes whatever the rate, and does not count: the end of what was said before, say. */
  always?: (event: E) => boolean;
  /** Called when one passes again: how many did not since the last that did. */
  onDropped?: (count: number) => void;
  scheduler?: SchedulerLike;
}

/** Lets pass no more than so many in a time, and counts those that it does not: a bucket of tokens that refills evenly. */
export function rateLimited<E>({
  count,
  perMs,
  always = () => false,
  onDropped = () => {},
  scheduler = asyncScheduler,
}: RateLimit<E>): MonoTypeOperatorFunction<E> {
  if (!(count >= 1) || !(perMs > 0)) {
    throw new RangeError(`rateLimited: expected a count of at least 1 and a time above 0, got ${count} in ${perMs} ms`);
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
