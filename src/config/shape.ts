/**
 * A shape describes a configuration value. From one declaration it reads a value, checks the value, and provides the
 * JSON Schema.
 */
import { suggestion } from '../text/did-you-mean.ts';
import { parseDuration, parseSize, writeDuration, writeSize } from '../text/units.ts';
import type { Faults } from './fault.ts';
import { pathTo } from './path.ts';

export interface Shape<T> {
  /** Adds a fault and returns undefined when the value is wrong. */
  read: (value: unknown, path: string, faults: Faults) => T | undefined;
  schema: object;
}

export interface Field<T> {
  shape: Shape<T>;
  about: string;
  /** The default. Without this property the field is required. */
  otherwise?: T | undefined;
}

export type ValueOf<S> = S extends Shape<infer T> ? T : never;
type Fields = Record<string, Field<unknown>>;
type Table<F extends Fields> = { [K in keyof F]: F[K] extends Field<infer T> ? T : never };

/** A required field. */
export const needed = <T>(shape: Shape<T>, about: string): Field<T> => ({ shape, about });
/** A field without a default, which may be left out. */
export const optional = <T>(shape: Shape<T>, about: string): Field<T | undefined> => ({
  shape,
  about,
  otherwise: undefined,
});
/** A field with a default. */
export const field = <T>(shape: Shape<T>, otherwise: T, about: string): Field<T> => ({ shape, about, otherwise });

/** Reads all fields, even when some are wrong, so that all faults are reported at once. */
export function table<F extends Fields>(fields: F): Shape<Table<F>> {
  const names = Object.keys(fields);
  const required = names.filter((name) => !Object.hasOwn(fields[name] as object, 'otherwise'));
  return {
    read(value, path, faults) {
      if (!isTable(value)) return faults.add(path, `expected a table, got ${show(value)}.`);
      for (const name of Object.keys(value)) {
        if (faults.full) break;
        if (!Object.hasOwn(fields, name))
          faults.add(pathTo(path, name), `there is no such setting. ${suggestion(name, names)}`);
      }
      let whole = true;
      const read = Object.entries(fields).map(([name, { shape, otherwise }]) => {
        const given = value[name];
        if (given !== undefined) {
          const found = shape.read(given, pathTo(path, name), faults);
          if (found === undefined) whole = false;
          return [name, found];
        }
        if (required.includes(name)) {
          faults.add(path, `expected "${name}", which is required.`);
          whole = false;
        }
        return [name, otherwise];
      });
      return whole ? (Object.fromEntries(read) as Table<F>) : undefined;
    },
    schema: {
      type: 'object',
      properties: Object.fromEntries(
        Object.entries(fields).map(([name, { shape, about }]) => [name, describedAs(about, shape.schema)]),
      ),
      ...(required.length > 0 && { required }),
      additionalProperties: false,
    },
  };
}

/**
 * The schema of a field. Its description is the purpose of the field, followed by the format of its value if the
 * shape describes one.
 */
function describedAs(about: string, schema: object & { description?: string }): object {
  const form = schema === text.schema ? undefined : schema.description;
  return { ...schema, description: form === undefined ? about : `${about}: ${form}` };
}

export function list<T>(item: Shape<T>, least = 0, most = Number.POSITIVE_INFINITY): Shape<T[]> {
  return {
    read(value, path, faults) {
      if (!Array.isArray(value)) return faults.add(path, `expected a list, got ${show(value)}.`);
      if (value.length < least) return faults.add(path, `expected a list of at least ${least}, got an empty one.`);
      if (value.length > most) return faults.add(path, `expected a list of at most ${most}, got ${value.length}.`);
      const items = value.map((each, i) => item.read(each, `${path}[${i}]`, faults));
      return items.every((each) => each !== undefined) ? items : undefined;
    },
    schema: {
      type: 'array',
      items: item.schema,
      ...(least > 0 && { minItems: least }),
      ...(most < Infinity && { maxItems: most }),
    },
  };
}

/** One item, or a list of items. */
export function oneOrMore<T>(item: Shape<T>): Shape<T[]> {
  const several = list(item, 1);
  return {
    read(value, path, faults) {
      if (Array.isArray(value)) return several.read(value, path, faults);
      const one = item.read(value, path, faults);
      return one === undefined ? undefined : [one];
    },
    schema: { anyOf: [item.schema, several.schema] },
  };
}

export function choice<T extends string>(...choices: T[]): Shape<T> {
  return {
    read(value, path, faults) {
      const found = choices.find((each) => each === value);
      if (found !== undefined) return found;
      const help = typeof value === 'string' ? suggestion(value, choices) : `Expected one of ${choices.join(', ')}.`;
      return faults.add(path, `${show(value)} is none of the choices. ${help}`);
    },
    schema: { enum: choices },
  };
}

/** A text that `parse` converts. For a wrong text, `parse` throws an Error whose message says what was expected. */
export function parsed<T>(expected: string, parse: (text: string) => T): Shape<T> {
  return {
    read(value, path, faults) {
      if (typeof value !== 'string') return faults.add(path, `expected ${expected}, got ${show(value)}.`);
      try {
        return parse(value);
      } catch (error) {
        // The path names the setting already.
        const setting = `${path.slice(path.lastIndexOf('.') + 1)}: `;
        const { message } = error as Error;
        return faults.add(path, message.startsWith(setting) ? message.slice(setting.length) : message);
      }
    },
    schema: { type: 'string', description: expected },
  };
}

export const text: Shape<string> = parsed('a text', (given) => {
  if (given === '') throw new Error('expected a text, got an empty one.');
  return given;
});

export const yesOrNo: Shape<boolean> = {
  read: (value, path, faults) =>
    typeof value === 'boolean' ? value : faults.add(path, `expected true or false, got ${show(value)}.`),
  schema: { type: 'boolean' },
};

export function whole(least: number, most: number): Shape<number> {
  return {
    read(value, path, faults) {
      if (typeof value === 'number' && Number.isInteger(value) && value >= least && value <= most) return value;
      return faults.add(path, `expected a whole number from ${least} to ${most}, got ${show(value)}.`);
    },
    schema: { type: 'integer', minimum: least, maximum: most },
  };
}

/**
 * Longest list of rules, steps, detectors or patterns. It is far longer than any real list, and is still checked in
 * milliseconds.
 */
export const MOST_ITEMS = 200;

/** Longest time in a configuration. A timer of Node with more than 2^31 - 1 ms would fire at once. */
export const LONGEST_MS = 24 * 86_400_000;

/** A size, read as bytes. */
export function sizeFrom(least: number, most = Number.MAX_SAFE_INTEGER): Shape<number> {
  return parsed('a size such as "64M" or "1.5G"', (given) => {
    const bytes = sizeOf(given);
    if (bytes >= least && bytes <= most) return bytes;
    const upTo = most === Number.MAX_SAFE_INTEGER ? '' : ` to ${writeSize(most)}`;
    throw new Error(`expected a size from ${writeSize(least)}${upTo}, got ${show(given)}.`);
  });
}

/** A duration, read as milliseconds. */
export function durationFrom(least: number, most = LONGEST_MS): Shape<number> {
  return parsed(timeLike(least), (given) => durationWithin(given, least, most));
}

/** @returns milliseconds. @throws Error whose message says what was expected */
export function durationWithin(given: string, least = 0, most = LONGEST_MS): number {
  const ms = durationOf(given, least);
  if (ms >= least && ms <= most) return ms;
  const longest = most === LONGEST_MS ? '24d' : writeDuration(most);
  throw new Error(`expected a time from ${writeDuration(least)} to ${longest}, got ${show(given)}.`);
}

export const size: Shape<number> = sizeFrom(0);
export const duration: Shape<number> = durationFrom(0);

/** @throws Error that says what was expected */
export function sizeOf(given: string): number {
  const bytes = parseSize(given);
  if (bytes === undefined) throw new Error(`expected a size such as "64M" or "1.5G", got ${show(given)}.`);
  return bytes;
}

/** Examples of times that are not shorter than the shortest that is allowed. */
function timeLike(least: number): string {
  return `a time such as ${least < 3_600_000 ? '"500ms", "10s" or "5m"' : '"12h", "90d" or "2w"'}`;
}

/** @param least the shortest allowed time (ms), for the examples. @throws Error that says what was expected */
export function durationOf(given: string, least = 0): number {
  const ms = parseDuration(given);
  if (ms === undefined) throw new Error(`expected ${timeLike(least)}, got ${show(given)}.`);
  return ms;
}

export function show(value: unknown): string {
  if (Array.isArray(value)) return 'a list';
  if (value instanceof Date) return 'a date';
  if (typeof value === 'object' && value !== null) return 'a table';
  const json = typeof value === 'string' ? JSON.stringify(value) : String(value);
  return json.length > 80 ? `${json.slice(0, 79)}…` : json;
}

const isTable = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Date);
