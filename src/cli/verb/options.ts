/**
 * Command-line options: declared once per verb, checked, and turned into help.
 */
import { parseArgs } from 'node:util';
import { OomscopeError } from '../../model/error.ts';
import { parseDuration, parseSize } from '../../text/units.ts';

export interface Option<T> {
  /** What stands behind the name in the help: `TIME`; absent for a switch. */
  value?: string;
  help: string;
  /** May be given more than once. */
  multiple?: boolean;
  /** @throws OomscopeError USAGE */
  parse: (text: string, name: string) => T;
}

export type Options = Record<string, Option<unknown>>;

/** What was given: a value for each option (a list where it may be repeated), undefined for those that were not. */
export type Values<O extends Options> = {
  [K in keyof O]: O[K] extends { multiple: true; parse: (...args: never[]) => infer T }
    ? T[]
    : ReturnType<O[K]['parse']> | undefined;
};

export function parseOptions<O extends Options>(verb: string, options: O, argv: string[]): Values<O> {
  return parse(verb, options, argv, false).values;
}

/** With words that are no options, in their order: names, subcommands. */
export function parseWords<O extends Options>(
  verb: string,
  options: O,
  argv: string[],
): { values: Values<O>; words: string[] } {
  return parse(verb, options, argv, true);
}

function parse<O extends Options>(
  verb: string,
  options: O,
  argv: string[],
  allowPositionals: boolean,
): { values: Values<O>; words: string[] } {
  const spec = Object.fromEntries(
    Object.entries(options).map(([name, { value, multiple }]) => [
      name,
      { type: value === undefined ? ('boolean' as const) : ('string' as const), multiple: multiple ?? false },
    ]),
  );
  let given: Record<string, unknown>;
  let words: string[];
  try {
    ({ values: given, positionals: words } = parseArgs({ args: argv, options: spec, strict: true, allowPositionals }));
  } catch (error) {
    throw usage(`${firstSentence((error as Error).message)} See \`oomscope ${verb} --help\`.`);
  }
  const values = Object.entries(options).map(([name, option]) => {
    const raw = given[name];
    if (raw === undefined) return [name, option.multiple ? [] : undefined];
    if (Array.isArray(raw)) return [name, raw.map((text) => option.parse(String(text), `--${name}`))];
    return [name, option.parse(raw === true ? '' : String(raw), `--${name}`)];
  });
  return { values: Object.fromEntries(values) as Values<O>, words };
}

export function optionsHelp(options: Options): string {
  const rows = Object.entries(options).map(
    ([name, { value, help }]) => [`--${name}${value ? ` ${value}` : ''}`, help] as const,
  );
  const width = Math.max(...rows.map(([left]) => left.length));
  return rows
    .map(([left, help]) => `  ${left.padEnd(width)}  ${help.replaceAll('\n', `\n${' '.repeat(width + 4)}`)}`)
    .join('\n');
}

export const usage = (message: string) => new OomscopeError('USAGE', message);

const firstSentence = (text: string) => `${text.split('. ')[0]?.replace(/\.$/, '')}.`;

// ---- what options may hold ----

export const flag = (help: string): Option<boolean> => ({ help, parse: () => true });

export const text = (value: string, help: string): Option<string> => ({ value, help, parse: (given) => given });

export function oneOf<T extends string>(value: string, help: string, choices: readonly T[]): Option<T> {
  return {
    value,
    help,
    parse: (given, name) => {
      const found = choices.find((choice) => choice === given);
      if (!found) throw usage(`${name}: expected one of ${choices.join(', ')}, got "${given}".`);
      return found;
    },
  };
}

export function count(value: string, help: string): Option<number> {
  return {
    value,
    help,
    parse: (given, name) => {
      if (!/^[1-9]\d{0,8}$/.test(given)) throw usage(`${name}: expected a whole number from 1, got "${given}".`);
      return Number(given);
    },
  };
}

/** Milliseconds. */
export function duration(value: string, help: string): Option<number> {
  return {
    value,
    help,
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
    value,
    help,
    parse: (given, name) => {
      const bytes = parseSize(given);
      if (bytes === undefined) throw usage(`${name}: expected a size such as 512K or 4M, got "${given}".`);
      return bytes;
    },
  };
}
