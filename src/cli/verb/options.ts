/** What an option is, and the kinds of value that options take. */
import { OomscopeError } from '../../model/error.ts';
import { printable } from '../../text/printable.ts';
import { parseDuration, parseSize } from '../../text/units.ts';

export interface Option<T> {
  /** The placeholder for the value in the help, such as `TIME`. Absent for a switch. */
  value?: string;
  /** What the option does, as a phrase without a full stop. The help appends choices, default and "repeatable". */
  help: string;
  /** The values that are allowed, where they can be listed. */
  choices?: readonly string[];
  /** The value that holds when the option is not given, as a person would write it. */
  default?: string;
  /** The option may be given more than once. */
  multiple?: boolean;
  /** @throws OomscopeError USAGE */
  parse: (text: string, name: string) => T;
}

export type Options = Record<string, Option<unknown>>;

/** The parsed value of each option: a list where it may be repeated, undefined where it was not given. */
export type Values<O extends Options> = {
  [K in keyof O]: O[K] extends { multiple: true; parse: (...args: never[]) => infer T }
    ? T[]
    : ReturnType<O[K]['parse']> | undefined;
};

/** An error of usage, in one line: words of the user are in it. */
export const usage = (message: string) => new OomscopeError('USAGE', printable(message));

/** A switch. */
export const flag = (help: string): Option<boolean> => ({ help, parse: () => true });

/** An option that may be repeated. */
export const several = <T>(option: Option<T>) => ({ ...option, multiple: true as const });

/** Gives the option a default value. */
export const byDefault = <O extends Option<unknown>>(shown: string, option: O): O => ({ ...option, default: shown });

export const text = (value: string, help: string): Option<string> => ({ value, help, parse: (given) => given });

export function oneOf<T extends string>(value: string, help: string, choices: readonly T[]): Option<T> {
  return {
    ...{ value, help, choices },
    parse: (given, name) => {
      const found = choices.find((choice) => choice === given);
      if (!found) throw usage(`${name}: expected one of ${choices.join(', ')}, got "${given}".`);
      return found;
    },
  };
}

export function count(value: string, help: string): Option<number> {
  return {
    ...{ value, help },
    parse: (given, name) => {
      if (!/^[1-9]\d{0,8}$/.test(given)) throw usage(`${name}: expected a whole number from 1, got "${given}".`);
      return Number(given);
    },
  };
}

/** Milliseconds. */
export function duration(value: string, help: string): Option<number> {
  return {
    ...{ value, help },
    parse: (given, name) => {
      const ms = parseDuration(given, { bareUnit: 's' }) ?? Number.NaN;
      if (!(ms > 0) || ms > 2 ** 31 - 1)
        throw usage(`${name}: expected a time such as 500ms, 30s, 5m or 2h (up to 24d), got "${given}".`);
      return ms;
    },
  };
}

/** Bytes. */
export function size(value: string, help: string): Option<number> {
  return {
    ...{ value, help },
    parse: (given, name) => {
      const bytes = parseSize(given);
      if (bytes === undefined) throw usage(`${name}: expected a size such as 512K or 4M, got "${given}".`);
      return bytes;
    },
  };
}
