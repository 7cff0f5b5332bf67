/** Declares options of the command line, and parses their values. */
import { OomscopeError } from '../../model/error.ts';
import { printable } from '../../text/printable.ts';
import { parseDuration, parseSize } from '../../text/units.ts';

export interface Option<T> {
  /** The placeholder for the value in the help, such as `TIME`. Absent for a switch. */
  value?: string;
  /** What the option does, as a phrase without a full stop. The help appends choices, default and "repeatable". */
  help: string;
  /** One letter that stands for the option, too, because users of another tool expect it. The help mentions it. */
  short?: string;
  /** The allowed values, if there is a fixed list of them. */
  choices?: readonly string[];
  /** The value that applies when the option is not given, written for people. */
  default?: string;
  /** Whether the option may be given more than once. */
  multiple?: boolean;
  /** Tells which values may begin with a dash without "=": "-2h" for a time. Absent: none. */
  dashed?: RegExp;
  /** @throws OomscopeError USAGE */
  parse: (text: string, name: string) => T;
}

export type Options = Record<string, Option<unknown>>;

/** The parsed value of each option: a list if the option may be repeated, undefined if the option was not given. */
export type Values<O extends Options> = {
  [K in keyof O]: O[K] extends { multiple: true; parse: (...args: never[]) => infer T }
    ? T[]
    : ReturnType<O[K]['parse']> | undefined;
};

/** An error of usage. The message is made printable in one line, because it quotes words of the user. */
export const usage = (message: string) => new OomscopeError('USAGE', printable(message));

/** Declares an option without a value. */
export const flag = (help: string): Option<boolean> => ({ help, parse: () => true });

/** Lets an option be repeated. */
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

/** Declares an option whose value is a duration. It is parsed to milliseconds. */
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

/** Declares an option whose value is a size. It is parsed to bytes. */
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
