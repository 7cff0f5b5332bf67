import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/**
 * Collects the garbage of starting once, and thoroughly: 4 MB that would stay, and V8's memory reducer, which would
 * otherwise wake an idle process every few seconds to look whether it is time.
 */
export function collectGarbage(): void {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as (options?: object) => void;
  setFlagsFromString('--no-expose-gc');
  collect();
  collect({ type: 'major', flavor: 'last-resort' });
}
