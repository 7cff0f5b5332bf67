/** Controls V8 while a live verb starts and after the start, so that memory that only the start needs is freed. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/**
 * Turns V8's optimizing compiler off until `endStartUp()`. Otherwise the compiler optimizes the path functions of
 * Node that resolve modules, and the compiler's own code makes 5 MB more of the node binary resident.
 */
export function beginStartUp(): void {
  setFlagsFromString('--no-turbofan');
}

/**
 * Turns V8's optimizing compiler on again, and runs one full garbage collection. The collection frees 4 MB and stops
 * V8's memory reducer, which otherwise wakes an idle process every few seconds.
 */
export function endStartUp(): void {
  setFlagsFromString('--turbofan');
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as (options?: object) => void;
  setFlagsFromString('--no-expose-gc');
  collect();
  collect({ type: 'major', flavor: 'last-resort' });
}
