/** Makes the page of verbs and their options. */

import { type Example, meaningOf, type Section, termOf } from '../../src/cli/verb/help.ts';
import { help as helpOfEarlyoom } from '../../src/earlyoom/help.ts';
import { anchorOf, cell, type Page, table } from './markdown.ts';
import { readVerbs, type Verb } from './verbs.ts';

export const optionsPage: Page = { path: 'docs/reference/options.md', write };

const EARLYOOM = 'oomscope guard --as-earlyoom';

async function write(): Promise<string> {
  const verbs = await readVerbs();
  const names = verbs.flatMap(({ name }) => [`oomscope ${name}`, ...(name === 'guard' ? [EARLYOOM] : [])]);
  return [
    '# Verbs and options',
    'This page is made from the declaration of each verb. `oomscope help VERB` prints the same text.',
    names.map((name) => `* [\`${name}\`](#${anchorOf(name)})`).join('\n'),
    ...verbs.flatMap((verb) => [section(verb), ...(verb.name === 'guard' ? [earlyoom()] : [])]),
  ].join('\n\n');
}

function section({ name, usage, description, words, options, sections, examples, exits }: Verb): string {
  const rows = options.map((option) => [`\`${cell(termOf(option))}\``, escaped(meaningOf(option))]);
  return [
    `## oomscope ${name}`,
    verbatim(usage.join('\n')),
    ...description.map(escaped),
    words ? `\`${words.name}\`: ${escaped(words.about)}` : '',
    rows.length > 0 ? table(['option', 'meaning'], rows) : '',
    ...sections.map(more),
    ...(examples.length > 0 ? [examples.map(example).join('\n\n')] : []),
    exits.length > 0
      ? table(
          ['exit code', 'meaning'],
          exits.map(({ code, meaning }) => [`${code}`, escaped(meaning)]),
        )
      : '',
  ]
    .filter((part) => part !== '')
    .join('\n\n');
}

function more({ title, text, rows }: Section): string {
  const parts = text === undefined ? [] : [escaped(text)];
  if (rows)
    parts.push(
      table(
        [title?.toLowerCase() ?? '', 'meaning'],
        rows.map(([term, meaning]) => [`\`${cell(term)}\``, escaped(meaning)]),
      ),
    );
  return parts.join('\n\n');
}

const example = ({ command, about }: Example) => `${escaped(about)}\n\n\`\`\`sh\n${command}\n\`\`\``;

function earlyoom(): string {
  return `## ${EARLYOOM}\n\n${verbatim(helpOfEarlyoom('earlyoom').trimEnd())}`;
}

/** Escapes help text for Markdown, except the code between backquotes. */
const escaped = (text: string) =>
  cell(text)
    .split(/(`[^`]*`)/)
    .map((part, i) => (i % 2 === 0 ? part.replaceAll(/[*<]/g, '\\$&') : part))
    .join('');

const verbatim = (text: string) => `\`\`\`text\n${text}\n\`\`\``;
