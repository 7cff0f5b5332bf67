/** Declares a verb in one place: its arguments and options, what it does, and the text of its help. */
import type { Paint } from '../../render/paint.ts';
import { paintFor } from './colour.ts';
import { Exit, type ExitName } from './exit.ts';
import {
  type Example,
  exitsOf,
  HELP,
  type OptionData,
  renderHelp,
  type Section,
  type VerbData,
  type Words,
} from './help.ts';
import { flag, type Options, usage, type Values } from './options.ts';
import { parseOptions } from './parse-options.ts';
import type { Verb } from './verb.ts';

/**
 * What a verb writes to stdout:
 * - `records`: a stream of JSON objects, or one line of text for each. Default: JSON Lines in a pipe, text on a
 * terminal.
 * - `document`: one answer, as text by default, or as JSON with --json.
 * - `raw`: one fixed format, such as a configuration file or a schema. There is no --json and no --text.
 */
export type Format = 'records' | 'document' | 'raw';

const formatOptions = {
  records: {
    json: flag('write JSON Lines; this is the default when stdout is not a terminal'),
    text: flag('write text; this is the default on a terminal'),
  },
  document: { json: flag('write JSON instead of text') },
  raw: {},
} satisfies Record<Format, Options>;

const noColour = { 'no-color': flag('write without colour, also on a terminal; NO_COLOR=1 has the same effect') };
const help = { help: { ...flag(HELP), short: 'h' } };

export interface Declaration<O extends Options> {
  /** Paragraphs: what the verb does, what it needs, what it never does. */
  description: readonly string[];
  words?: Words;
  options: O;
  format: Format;
  /** The help of --json, if the default help of the format does not say enough. */
  json?: string;
  sections?: readonly Section[];
  /** Three to six examples. */
  examples: readonly Example[];
  /** The exit codes of the verb, each with its meaning for this verb, or `true` for the general meaning of the code. */
  exits: Partial<Record<ExitName, string | true>>;
  /** Former names of options, each with its present name, for the hint "Did you mean". */
  renamed?: Readonly<Record<string, string>>;
  /** For the help: the usage of each program that can run instead of the verb (src/cli/verb-table.ts). */
  instead?: readonly string[];
  run: (context: Context<O>) => Promise<number>;
}

export interface Context<O extends Options> {
  given: Values<O>;
  /** The arguments that are not options. Their number is within the limits that the verb declares. */
  words: string[];
  /** true: write text; false: write JSON. */
  asText: boolean;
  /** Which of --json and --text was given. */
  asked: 'json' | 'text' | undefined;
  paint: Paint;
}

export function defineVerb<const O extends Options>(declared: Declaration<O>): Verb {
  const { format, words, instead = [] } = declared;
  const shown =
    declared.json === undefined ? formatOptions[format] : { ...formatOptions[format], json: flag(declared.json) };
  const options = { ...declared.options, ...shown, ...(format === 'raw' ? {} : noColour), ...help };

  const describe = (name: string, about: string): VerbData => ({
    ...{ name, about },
    usage: [
      `oomscope ${name}${words ? ` ${placeholder(words)}` : ''} [options]`,
      ...instead.map((usage) => `oomscope ${name} ${usage}`),
    ],
    description: declared.description,
    words: words ?? null,
    options: Object.entries(options).map(dataOf),
    sections: declared.sections ?? [],
    examples: declared.examples,
    exits: exitsOf(declared.exits),
  });

  const run = async (name: string, about: string, argv: string[]): Promise<number> => {
    if (argv.some((word) => word === '--help' || word === '-h')) {
      process.stdout.write(renderHelp(describe(name, about)));
      return Exit.ok;
    }
    const parsed = parseOptions({ name, ...(declared.renamed && { renamed: declared.renamed }) }, options, argv);
    const given = parsed.values as Values<Options>;
    checkWords(name, words, parsed.words, options);
    if (given.json && given.text) throw usage('--json and --text: expected one of them, got both.');
    if (format !== 'records') process.stdout.on('error', onBrokenPipe);
    const asked = given.json ? 'json' : given.text ? 'text' : undefined;
    const standard = format === 'records' && process.stdout.isTTY !== true ? 'json' : 'text';
    return declared.run({
      ...{ given: parsed.values as Values<O>, words: parsed.words, asked },
      asText: (asked ?? standard) === 'text',
      paint: paintFor(given['no-color'] === true),
    });
  };
  return { describe, run };
}

/** A reader such as head(1) has read enough. A verb with a stream of records has its own way (src/render/output.ts). */
function onBrokenPipe(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EPIPE') throw error;
}

function placeholder({ name, least = 0, most = Number.POSITIVE_INFINITY }: Words): string {
  const all = most === Number.POSITIVE_INFINITY ? `${name}...` : name;
  return least > 0 ? all : `[${all}]`;
}

function dataOf([name, option]: [string, Options[string]]): OptionData {
  const { value = null, help: about, choices = null, default: standard = null, multiple = false } = option;
  return { name: `--${name}`, value, help: about, choices, default: standard, multiple };
}

function checkWords(name: string, declared: Words | undefined, words: readonly string[], options: Options): void {
  const { least = 0, most = Number.POSITIVE_INFINITY } = declared ?? { most: 0 };
  if (words.length >= least && words.length <= most) return;
  const what = declared ? declared.name : 'argument';
  const [first] = words.slice(most);
  const hint =
    first?.startsWith('/') && 'cgroup' in options
      ? `Did you mean "--cgroup ${first}"?`
      : `See \`oomscope ${name} --help\`.`;
  const expected =
    most === 0
      ? `no ${what}`
      : least === most
        ? `${least} ${what}`
        : least > 0
          ? `at least ${least} ${what}`
          : `at most ${most} ${what}`;
  const got = words.length === 0 ? 'none' : most === 0 ? `"${words[0]}"` : words.length;
  throw usage(`Expected ${expected}, got ${got}. ${hint}`);
}
