/**
 * Recorded events and `play()`, which emits them again, for tests of event handlers. Loads no native code. `play()`
 * needs `rxjs`.
 *
 * ```ts
 * import { VirtualTimeScheduler } from 'rxjs';
 * import { play, recordings } from 'oomscope/testing';
 *
 * const scheduler = new VirtualTimeScheduler();
 * notifyOnCall(play(recordings.containerKill, { scheduler })); // notifyOnCall() is the code under test
 * scheduler.flush();
 * ```
 */
export { type PlayOptions, play } from './play.ts';
export { eventsOfType, recordings } from './recordings.ts';
export { type Changes, withChanges } from './with-changes.ts';
