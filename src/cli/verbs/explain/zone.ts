import { isZone } from '../../../explain/input/stamp.ts';
import { type Option, usage } from '../../verb/options.ts';

/** Declares an option for a time zone: an offset, UTC, or a name of the time zone database. */
export function zone(value: string, help: string): Option<string> {
  return {
    ...{ value, help },
    parse: (given, name) => {
      if (isZone(given)) return given;
      throw usage(`${name}: expected a time zone such as +02:00, UTC or Europe/Berlin, got "${given}".`);
    },
  };
}
