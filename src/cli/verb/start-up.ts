/** V8 while a live verb starts, and when it has started: the memory that only the start needs must not stay. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/**
 * Keeps V8's optimizing compiler off until `endStartUp()`. Otherwise it optimizes Node's path functions, which resolve each
 * module, and its own code makes 5 MB more of the node binary resident for a function that is not called again.
 */
export function beginStartUp(): void {
  setFlagsFromString('--no-turbofan');
}

/**
 * Allows V8's optimizing compiler again, and collects the garbage of the start once and completely. That frees 4 MB, and
 * stops V8's memory reducer, which otherwise wakes an idle process every few seconds.
 */
export function endStartUp(): void {
  setFlagsFromString('--turbofan');
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as (options?: object) => void;
  setFlagsFromString('--no-expose-gc');
  collect();
  collect({ type: 'major', flavor: 'last-resort' });
}
