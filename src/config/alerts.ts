/** The [[alert]] sections: each describes one sink, with the options that alerts/sink-table.ts declares. */
import { foreignTo, targetProblem } from '../alerts/open.ts';
import type { Secret } from '../alerts/secret.ts';
import {
  type OptionName,
  type SinkOption,
  type SinkOptions,
  sinkKind,
  sinkKinds,
  sinkOptions,
  sinksWith,
} from '../alerts/sink-table.ts';
import { severities } from '../model/severity.ts';
import { writeDuration, writeSize } from '../text/units.ts';
import {
  choice,
  durationFrom,
  type Field,
  list,
  needed,
  optional,
  type Shape,
  sizeFrom,
  table,
  text,
  whole,
} from './shape.ts';
import type { Fields } from './toml-text.ts';

const options = Object.entries(sinkOptions) as [OptionName, SinkOption][];

const sinkTable = table({
  sink: needed(choice(...Object.keys(sinkKinds)), 'kind of the sink'),
  target: optional(text, 'URL, path or program. "@/etc/oomscope/slack-url" reads the URL from this file'),
  ...Object.fromEntries(options.flatMap(([name, option]) => fieldsOf(name, option))),
});

/**
 * An [[alert]] section has the same options as `--alert SINK` on the command line. Files and programs are checked when
 * the sink is opened.
 */
export const alertShape: Shape<SinkOptions> = {
  schema: sinkTable.schema,
  read(value, path, faults) {
    const given: Record<string, unknown> | undefined = sinkTable.read(value, path, faults);
    if (!given) return undefined;
    const { sink, target } = given as { sink: string; target: string | undefined };
    for (const [, { kind, name }] of options) {
      if (kind === 'secret' && given[`${name}_env`] !== undefined && given[`${name}_file`] !== undefined)
        return faults.add(path, `expected one of ${name}_env and ${name}_file, got both.`);
    }
    const expected = sinkKind(sink)?.target;
    if (expected && target === undefined) return faults.add(path, `expected "target", the ${expected} of ${sink}.`);
    const problem = targetProblem({ sink, ...(target !== undefined && { target }) });
    if (problem !== undefined) return faults.add(`${path}.target`, problem);
    const values = options.map(([name, option]) => [name, valueIn(option, given)]);
    const read: SinkOptions = { sink, ...(target !== undefined && { target }), ...Object.fromEntries(values) };
    const foreign = foreignTo(read);
    if (foreign.length > 0) return faults.add(path, `${sink} has no option ${foreign.join(', ')}: remove it.`);
    return Object.fromEntries(Object.entries(read).filter(([, each]) => each !== undefined)) as SinkOptions;
  },
};

/** The fields of an [[alert]] section for these options: the inverse of reading with {@link alertShape}. */
export function alertFields(given: SinkOptions): Fields {
  const { sink, target } = given;
  const fields = options.map(([name, option]) => writtenAs(option, given[name]));
  return { sink, target, ...Object.assign({}, ...fields) };
}

function fieldsOf(property: OptionName, option: SinkOption): [string, Field<unknown>][] {
  const sinks = sinksWith(property);
  const about = sinks.length === 0 ? option.about : `${sinks.join(', ')}: ${option.about}`;
  if (option.kind !== 'secret') return [[fieldName(option), optional(shapeOf(option), about)]];
  return [
    [`${option.name}_env`, optional(text, `${about}, taken from this environment variable`)],
    [`${option.name}_file`, optional(text, `${about}, read from this file`)],
  ];
}

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
