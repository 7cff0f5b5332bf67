import { OomscopeError } from '../model/error.ts';
import { suggestion } from './did-you-mean.ts';
import { printable } from './printable.ts';

/**
 * An object with the name of each option in `T`. The compiler reports names that are missing and names that are not in
 * `T`.
 */
export type OptionNames<T> = Readonly<Record<keyof T, true>>;

/**
 * Refuses an option that does not exist, because a misspelled option would silently have no effect. TypeScript checks
 * only object literals; options from JavaScript, or read from a file, are not checked.
 *
 * @param of name of the function that takes the options, such as "openTracer()"
 * @throws OomscopeError USAGE, with the most similar option name
 */
export function refuseUnknownOptions<T extends object>(of: string, given: T, names: OptionNames<T>): void {
  for (const name of Object.keys(given)) {
    if (Object.hasOwn(names, name)) continue;
    const known = Object.keys(names);
    throw new OomscopeError('USAGE', `${of}: there is no option "${printable(name)}". ${suggestion(name, known)}`);
  }
}
