/**
 * Timers that wait for a second or more end at common times, the beats: a process that wakes for two of them at once uses
 * less CPU time than one that wakes twice, because most of that time goes into caches that are cold after a sleep.
 */

/** A beat that is nearer than this part of the interval is left out. */
const LEAST_PART = 0.25;

/**
 * The time until the next multiple of the interval (ms), at least a quarter and at most five quarters of the interval.
 *
 * @param nowMs the time by the clock that all timers share
 */
export function untilBeat(intervalMs: number, nowMs = performance.now()): number {
  const least = nowMs + LEAST_PART * intervalMs;
  return Math.ceil(least / intervalMs) * intervalMs - nowMs;
}
