import { OomscopeError } from '../model/error.ts';
import { suggestion } from './did-you-mean.ts';
import { printable } from './printable.ts';

/** An object with the name of each option in `T`. The compiler reports a name that is missing, or that `T` does not have. */
export type OptionNames<T> = Readonly<Record<keyof T, true>>;

/**
 * Refuses an option that does not exist. TypeScript does so only for object literals; JavaScript and options that were read
 * from a file come here unchecked, and a misspelled option would silently have no effect.
 *
 * @param of what takes the options: "openTracer()"
 * @throws OomscopeError USAGE, with the name that was probably meant
 */
export function refuseUnknownOptions<T extends object>(of: string, given: T, names: OptionNames<T>): void {
  for (const name of Object.keys(given)) {
    if (Object.hasOwn(names, name)) continue;
    const known = Object.keys(names);
    throw new OomscopeError('USAGE', `${of}: there is no option "${printable(name)}". ${suggestion(name, known)}`);
  }
}
