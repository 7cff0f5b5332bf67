/** Writes the help of a verb, at most 80 columns wide, from the verb's declaration. */
import { wrapped } from '../../render/wrap.ts';
import { Exit, type ExitName, exitMeanings } from './exit.ts';

export interface OptionData {
  /** "--cgroup" */
  name: string;
  /** "GLOB"; null for a switch. */
  value: string | null;
  help: string;
  choices: readonly string[] | null;
  default: string | null;
  multiple: boolean;
}

/** The arguments of a verb that are not options. */
export interface Words {
  name: string;
  /** Default 0. */
  least?: number;
  /** Default: no maximum. */
  most?: number;
  about: string;
}

/** A further part of the help: a paragraph, or a table of terms with their meanings. */
export interface Section {
  title?: string;
  text?: string;
  rows?: readonly (readonly [term: string, meaning: string])[];
}

export interface Example {
  /** The command as a person types it. A backslash and a newline continue it on the next line. */
  command: string;
  about: string;
}

/** The description of a verb. The help, man pages, shell completions and reference pages are generated from it. */
export interface VerbData {
  /** "docker check" */
  name: string;
  about: string;
  /** The usage lines, without the word "usage: ". */
  usage: readonly string[];
  description: readonly string[];
  words: Words | null;
  options: readonly OptionData[];
  sections: readonly Section[];
  examples: readonly Example[];
  exits: readonly { name: ExitName; code: number; meaning: string }[];
}

/** The help of --help. */
export const HELP = 'show this text; -h has the same effect';

export const COLUMNS = 80;
/** The greatest width of the left column. If a term is wider, its text starts on the next line. */
const MOST_TERM = 24;

export function renderHelp(data: VerbData): string {
  const { usage, description, words, options, sections, examples, exits } = data;
  const parts = [usage.map((line, i) => `${i === 0 ? 'usage:' : '      '} ${line}`).join('\n')];
  parts.push(...description.map((paragraph) => wrap(paragraph)));
  if (words) parts.push(rows([[words.name, words.about]]));
  if (options.length > 0) parts.push(`Options:\n${rows(options.map((option) => [termOf(option), meaningOf(option)]))}`);
  parts.push(...sections.map(renderSection));
  if (examples.length > 0)
    parts.push(`Example${examples.length > 1 ? 's' : ''}:\n${examples.map(renderExample).join('\n')}`);
  if (exits.length > 0) {
    parts.push(`Exit codes:\n${rows(exits.map(({ code, meaning }) => [String(code).padStart(2), meaning]))}`);
  }
  return `${parts.join('\n\n')}\n`;
}

export function exitsOf(declared: Partial<Record<ExitName, string | true>>): VerbData['exits'] {
  const names = Object.keys(Exit) as ExitName[];
  return names.flatMap((name) => {
    const meaning = declared[name];
    if (meaning === undefined) return [];
    return [{ name, code: Exit[name], meaning: meaning === true ? exitMeanings[name] : meaning }];
  });
}

export const termOf = ({ name, value }: OptionData) => `${name}${value === null ? '' : ` ${value}`}`;

/** The option's help with its choices, its default and whether it may be repeated. */
export function meaningOf({ help, choices, default: standard, multiple }: OptionData): string {
  const list = choices === null ? '' : `: ${choices.join(', ')}`;
  const more = [...(standard === null ? [] : [`default: ${standard}`]), ...(multiple ? ['repeatable'] : [])];
  return `${help}${list}${more.length > 0 ? ` (${more.join('; ')})` : ''}`;
}

function renderSection({ title, text, rows: terms }: Section): string {
  const parts = [...(text === undefined ? [] : [wrap(text)]), ...(terms === undefined ? [] : [rows(terms)])];
  return `${title === undefined ? '' : `${title}:\n`}${parts.join('\n')}`;
}

function renderExample({ command, about }: Example): string {
  return `  ${command.replaceAll('\n', '\n  ')}\n${wrap(about, 6)}`;
}

/** Writes two columns: the terms, and their meanings. */
export function rows(pairs: readonly (readonly [string, string])[]): string {
  const width = Math.max(...pairs.map(([term]) => term.length).filter((length) => length <= MOST_TERM), 2);
  return pairs
    .map(([term, meaning]) => {
      const text = wrap(meaning, width + 4);
      return term.length > width ? `  ${term}\n${text}` : `  ${term.padEnd(width)}  ${text.trimStart()}`;
    })
    .join('\n');
}

function wrap(text: string, indent = 0): string {
  const margin = ' '.repeat(indent);
  return wrapped(text, COLUMNS - indent)
    .map((line) => margin + line)
    .join('\n');
}
