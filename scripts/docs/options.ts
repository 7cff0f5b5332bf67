/** The page of verbs and their options. */
import { anchorOf, cell, type Page, table } from './markdown.ts';
import { readVerbs, type Verb } from './verbs.ts';

export const optionsPage: Page = { path: 'docs/reference/options.md', write };

async function write(): Promise<string> {
  const verbs = await readVerbs();
  return [
    '# Verbs and options',
    'From the help of each verb. `oomscope VERB --help` prints the same.',
    verbs.map(({ name }) => `* [\`oomscope ${name}\`](#${anchorOf(`oomscope ${name}`)})`).join('\n'),
    ...verbs.map(section),
  ].join('\n\n');
}

function section({ name, usage, before, options, after }: Verb): string {
  const rows = options.map((option) => [`\`${cell(option.usage)}\``, cell(option.help)]);
  return [
    `## oomscope ${name}`,
    verbatim(usage),
    ...before.map(block),
    rows.length > 0 ? table(['option', 'meaning'], rows) : '',
    ...after.map(block),
  ]
    .filter((part) => part !== '')
    .join('\n\n');
}

/** Lists and examples of the help are indented; sentences are not. */
const block = (text: string) => (/^ {2}/m.test(text) ? verbatim(text) : text);

const verbatim = (text: string) => `\`\`\`text\n${text}\n\`\`\``;
