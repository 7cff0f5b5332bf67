/** The verbs and their options, from their help. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';

const MAIN = join(import.meta.dirname, '../../dist/cli/main.js');

export interface VerbOption {
  /** `--name VALUE` */
  usage: string;
  help: string;
}

export interface Verb {
  /** `protect plan`: as typed behind `oomscope`. */
  name: string;
  usage: string;
  /** What the help says before its options, in blocks, and after them. */
  before: string[];
  options: VerbOption[];
  after: string[];
}

let verbs: Promise<Verb[]> | undefined;

/** Every verb, and every action of a verb that has actions, in the order of the help. */
export function readVerbs(): Promise<Verb[]> {
  verbs ??= read();
  return verbs;
}

async function read(): Promise<Verb[]> {
  const names = listed(await helpOf([]));
  const found = await Promise.all(names.map((name) => readVerb([name])));
  const earlyoom = await readVerb(['guard', '--as-earlyoom']);
  return found.flat().flatMap((verb) => (verb.name === 'guard' ? [verb, ...earlyoom] : [verb]));
}

async function readVerb(words: string[]): Promise<Verb[]> {
  const help = await helpOf(words);
  const verb = parseHelp(words.join(' '), help);
  if (!help.includes(`\`oomscope ${verb.name} ACTION --help\``)) return [verb];
  const actions = await Promise.all(listed(help).map((action) => readVerb([...words, action])));
  return [verb, ...actions.flat()];
}

async function helpOf(words: string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(process.execPath, [MAIN, ...words, '--help']);
  return stdout.trimEnd();
}

/** The words of a list `  word   what it is`. */
const listed = (help: string) => [...help.matchAll(/^ {2}([a-z]+) {2,}\S/gm)].map(([, word = '']) => word);

function parseHelp(name: string, help: string): Verb {
  const [usage = '', ...blocks] = help.split(/\n{2,}/);
  const verb: Verb = { name, usage, before: [], options: [], after: [] };
  for (const block of blocks) {
    if (/^ {2}-/.test(block)) verb.options.push(...parseOptions(block));
    else (verb.options.length === 0 ? verb.before : verb.after).push(block);
  }
  return verb;
}

/** @param block `  --name VALUE  help`; a line that is indented further goes on with the help of the line before */
function parseOptions(block: string): VerbOption[] {
  const options: VerbOption[] = [];
  for (const line of block.split('\n')) {
    const [, usage, help = ''] = /^ {2}(-\S.*?)(?: {2,}(\S.*))?$/.exec(line) ?? [];
    const last = options.at(-1);
    if (usage !== undefined) options.push({ usage, help });
    else if (last) last.help = `${last.help} ${line.trim()}`.trim();
  }
  return options;
}
