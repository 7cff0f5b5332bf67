/** Parses command-line words into options and arguments. An error suggests what the user probably meant. */
import { parseArgs } from 'node:util';
import { closestSpelling } from '../../text/did-you-mean.ts';
import { type Option, type Options, usage, type Values } from './options.ts';

export interface Parsed<O extends Options> {
  values: Values<O>;
  /** The words that are not options, in the order in which they were given. */
  words: string[];
}

export interface Verbal {
  /** "docker check" */
  name: string;
  /** Former names of options, or names that other verbs use, each with the name in this verb. */
  renamed?: Readonly<Record<string, string>>;
}

/** @throws OomscopeError USAGE */
export function parseOptions<O extends Options>(verb: Verbal, options: O, argv: readonly string[]): Parsed<O> {
  const spec = Object.fromEntries(
    Object.entries(options).map(([name, { value, short }]) => [
      name,
      { type: value === undefined ? 'boolean' : 'string', ...(short !== undefined && { short }) },
    ]),
  ) as Record<string, { type: 'boolean' | 'string'; short?: string }>;
  const { tokens } = parseArgs({ args: [...argv], options: spec, strict: false, tokens: true, allowPositionals: true });
  const texts = new Map<string, string[]>();
  const words: string[] = [];
  for (const token of tokens) {
    if (token.kind === 'positional') words.push(token.value);
    if (token.kind !== 'option') continue;
    const option = Object.hasOwn(options, token.name) ? options[token.name] : undefined;
    if (!option) throw unknown(verb, options, token.rawName);
    const text = textOf(option, token);
    texts.set(token.name, option.multiple ? [...(texts.get(token.name) ?? []), text] : [text]);
  }
  const values = Object.entries(options).map(([name, option]) => {
    const parsed = (texts.get(name) ?? []).map((text) => option.parse(text, `--${name}`));
    return [name, option.multiple ? parsed : parsed[0]];
  });
  return { values: Object.fromEntries(values) as Values<O>, words };
}

interface OptionToken {
  rawName: string;
  value?: string | undefined;
  inlineValue?: boolean | undefined;
}

function textOf(option: Option<unknown>, { rawName, value, inlineValue }: OptionToken): string {
  if (option.value === undefined) {
    if (value !== undefined) throw usage(`${rawName}: expected no value, got "${value}".`);
    return '';
  }
  if (value === undefined) throw usage(`${rawName}: expected ${option.value}, got nothing.`);
  if (!inlineValue && /^-./.test(value) && !option.dashed?.test(value)) {
    throw usage(
      `${rawName}: expected ${option.value}, got "${value}"; a value that begins with a dash is written ${rawName}=${value}.`,
    );
  }
  return value;
}

function unknown({ name, renamed = {} }: Verbal, options: Options, given: string) {
  const names = Object.keys(options);
  const word = given.replace(/^-+/, '');
  const meant = (Object.hasOwn(renamed, word) ? renamed[word] : undefined) ?? closestSpelling(word, names);
  const hint = meant === undefined ? `See \`oomscope ${name} --help\`.` : `Did you mean "--${meant}"?`;
  return usage(`There is no option "${given}". ${hint}`);
}
