/** The [[alert]] sections: each describes one sink, with the options that alerts/sink-table.ts declares. */
import { foreignTo, targetProblem } from '../alerts/open.ts';
import {
  type OptionName,
  type SinkOption,
  type SinkOptions,
  sinkKind,
  sinkKinds,
  sinkOptions,
  sinksWith,
} from '../alerts/sink-table.ts';
import { checkSecrets, fieldsFrom, fieldsOf, valuesIn } from './option-fields.ts';
import { choice, needed, optional, type Shape, table, text } from './shape.ts';
import type { Fields } from './toml-text.ts';

const options = Object.entries(sinkOptions) as [OptionName, SinkOption][];

const sinkTable = table({
  sink: needed(choice(...Object.keys(sinkKinds)), 'kind of the sink'),
  target: optional(text, 'URL, path or program. "@/etc/oomscope/slack-url" reads the URL from this file'),
  ...Object.fromEntries(options.flatMap(([name, option]) => fieldsOf(option, aboutOf(name, option)))),
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
    if (!checkSecrets(options, given, path, faults)) return undefined;
    const expected = sinkKind(sink)?.target;
    if (expected && target === undefined) return faults.add(path, `expected "target", the ${expected} of ${sink}.`);
    const problem = targetProblem({ sink, ...(target !== undefined && { target }) });
    if (problem !== undefined) return faults.add(`${path}.target`, problem);
    const read: SinkOptions = { sink, ...(target !== undefined && { target }), ...valuesIn(options, given) };
    const needs = sinkKind(sink)?.needs;
    if (needs !== undefined && read[needs] === undefined) {
      const { name, about } = sinkOptions[needs];
      return faults.add(path, `expected "${name}_file" or "${name}_env", ${about}, got neither.`);
    }
    const foreign = foreignTo(read);
    if (foreign.length > 0) return faults.add(path, `${sink} has no option ${foreign.join(', ')}: remove it.`);
    return read;
  },
};

/** The fields of an [[alert]] section for these options: the inverse of reading with {@link alertShape}. */
export function alertFields(given: SinkOptions): Fields {
  const { sink, target } = given;
  return { sink, target, ...fieldsFrom(options, given) };
}

function aboutOf(property: OptionName, option: SinkOption): string {
  const sinks = sinksWith(property);
  return sinks.length === 0 ? option.about : `${sinks.join(', ')}: ${option.about}`;
}
