/** A word that is followed by an action (`docker` in `oomscope docker check`) or by a verb (`oomscope` itself). */
import { closestSpelling } from '../../text/did-you-mean.ts';
import { Exit, type ExitName } from './exit.ts';
import { exitsOf, HELP, renderHelp, type Section, type VerbData } from './help.ts';
import { usage } from './options.ts';
import type { Verb, VerbTable } from './verb.ts';

export interface Group {
  verbs: VerbTable;
  description: readonly string[];
  /** What the help calls the words of this group. */
  noun: 'VERB' | 'ACTION';
  /** The verb that is meant when options follow at once, or nothing. Default: a verb is required. */
  standard?: string;
  /** Text after the list of verbs. */
  sections?: readonly Section[];
  exits?: Partial<Record<ExitName, string | true>>;
}

export function defineGroup({
  verbs,
  description,
  noun,
  standard,
  sections = [],
  exits = {},
}: Group): Verb & { verbs: VerbTable } {
  const described = (name: string, about: string): VerbData => ({
    ...{ name, about },
    usage: [commandOf(name, noun, '[options]')],
    ...{ description, words: null, examples: [] },
    options: [helpOption],
    sections: [
      {
        title: noun === 'VERB' ? 'Verbs' : 'Actions',
        rows: Object.entries(verbs).map(([verb, one]) => [verb, one.about]),
      },
      ...sections,
      { text: `\`${commandOf('help', name, noun)}\` shows the options and examples of the ${noun.toLowerCase()}.` },
    ],
    exits: exitsOf(exits),
  });

  const run = async (name: string, about: string, words: string[]): Promise<number> => {
    const [given, ...after] = words;
    const isStandard =
      standard !== undefined &&
      (given === undefined || (given.startsWith('-') && given !== '--help' && given !== '-h'));
    const [word, argv] = isStandard ? [standard, words] : [given, after];
    if (word === '--help' || word === '-h' || (word === 'help' && argv.length === 0)) {
      process.stdout.write(renderHelp(described(name, about)));
      return Exit.ok;
    }
    if (word === 'help') return run(name, about, [...argv, '--help']);
    const entry = word !== undefined && Object.hasOwn(verbs, word) ? verbs[word] : undefined;
    if (word === undefined || !entry) throw refusal(name, noun, Object.keys(verbs), word);
    const [first = ''] = argv;
    const other = entry.instead && Object.hasOwn(entry.instead, first) ? entry.instead[first] : undefined;
    if (other) return (await other()).run(argv.slice(1));
    const { verb } = await entry.load();
    return verb.run(`${name} ${word}`.trim(), entry.about, argv);
  };
  return { describe: described, run, verbs };
}

/** Describes every verb and action, in the order of the tables. */
export async function describeVerbs(verbs: VerbTable, group = ''): Promise<VerbData[]> {
  const all: VerbData[] = [];
  for (const [word, { about, load }] of Object.entries(verbs)) {
    const { verb } = await load();
    const name = `${group} ${word}`.trim();
    all.push(verb.describe(name, about));
    if (verb.verbs) all.push(...(await describeVerbs(verb.verbs, name)));
  }
  return all;
}

const helpOption = { name: '--help', value: null, help: HELP, choices: null, default: null, multiple: false };

const commandOf = (...words: string[]) => ['oomscope', ...words].filter((word) => word !== '').join(' ');

function refusal(name: string, noun: string, names: string[], word: string | undefined) {
  const expected = `Expected ${noun === 'VERB' ? 'a verb' : `an action of \`${commandOf(name)}\``}`;
  const help = `See \`${commandOf(name, '--help')}\`.`;
  if (word === undefined) return usage(`${expected}: ${names.join(', ')}; got nothing. ${help}`);
  const meant = closestSpelling(word, names);
  const hint = meant === undefined ? `There are ${names.join(', ')}.` : `Did you mean "${meant}"?`;
  return usage(`${expected}, got "${word}". ${hint}`);
}
