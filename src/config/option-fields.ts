/** The fields of declared options (alerts/sink-table.ts) in a section of the configuration file. */
import type { Secret } from '../alerts/secret.ts';
import type { SinkOption } from '../alerts/sink-table.ts';
import { severities } from '../model/severity.ts';
import { writeDuration, writeSize } from '../text/units.ts';
import type { Faults } from './fault.ts';
import { choice, durationFrom, type Field, list, optional, type Shape, sizeFrom, text, whole } from './shape.ts';
import type { Fields } from './toml-text.ts';

/** A declared option by the name of its property. */
export type Declared = [property: string, option: SinkOption];

/** The fields of an option. A secret has two: its place is a variable or a file. */
export function fieldsOf(option: SinkOption, about = option.about): [string, Field<unknown>][] {
  if (option.kind !== 'secret') return [[fieldName(option), optional(shapeOf(option), about)]];
  return [
    [`${option.name}_env`, optional(text, `${about}, taken from this environment variable`)],
    [`${option.name}_file`, optional(text, `${about}, read from this file`)],
  ];
}

/** Adds a fault for a secret that has two places. @returns true when there is none */
export function checkSecrets(
  options: readonly Declared[],
  given: Record<string, unknown>,
  path: string,
  faults: Faults,
): boolean {
  for (const [, { kind, name }] of options) {
    if (kind !== 'secret' || given[`${name}_env`] === undefined || given[`${name}_file`] === undefined) continue;
    faults.add(path, `expected one of ${name}_env and ${name}_file, got both.`);
    return false;
  }
  return true;
}

/** The values of the options, by the names of their properties. Options that are not given are left out. */
export function valuesIn(options: readonly Declared[], given: Record<string, unknown>): Record<string, unknown> {
  const values = options.map(([property, option]) => [property, valueIn(option, given)]);
  return Object.fromEntries(values.filter(([, value]) => value !== undefined));
}

/** The inverse of reading: the fields of these values. */
export const fieldsFrom = (options: readonly Declared[], given: object): Fields =>
  Object.assign(
    {},
    ...options.map(([property, option]) => writtenAs(option, (given as Record<string, unknown>)[property])),
  );

function fieldName({ kind, name }: SinkOption): string {
  return kind === 'words' ? `${name}s` : name;
}

function shapeOf({ kind, range = [0, Number.MAX_SAFE_INTEGER] }: SinkOption): Shape<unknown> {
  switch (kind) {
    case 'severity':
      return choice(...severities);
    case 'words':
      return list(text);
    case 'whole':
      return whole(...range);
    case 'duration':
      return durationFrom(...range);
    case 'size':
      return sizeFrom(...range);
    default:
      return text;
  }
}

function valueIn(option: SinkOption, given: Record<string, unknown>): unknown {
  if (option.kind !== 'secret') return given[fieldName(option)];
  const { [`${option.name}_env`]: env, [`${option.name}_file`]: file } = given;
  if (env !== undefined) return { env };
  return file === undefined ? undefined : { file };
}

function writtenAs(option: SinkOption, value: unknown): Fields {
  if (value === undefined) return {};
  switch (option.kind) {
    case 'secret': {
      const secret = value as Secret;
      return 'env' in secret ? { [`${option.name}_env`]: secret.env } : { [`${option.name}_file`]: secret.file };
    }
    case 'size':
      return { [option.name]: writeSize(value as number) };
    case 'duration':
      return { [option.name]: writeDuration(value as number) };
    default:
      return { [fieldName(option)]: value };
  }
}
