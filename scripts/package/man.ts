/**
 * Man pages in mdoc, from what the verbs declare: oomscope(1), one page for each verb, oomscope.toml(5) and oomscope-events(7).
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { exitMeanings } from '../../src/cli/verb/exit.ts';
import {
  COLUMNS,
  type Example,
  exitsOf,
  meaningOf,
  type OptionData,
  type Section,
  type VerbData,
} from '../../src/cli/verb/help.ts';
import { verbs as verbTable } from '../../src/cli/verb-table.ts';
import { wrapped } from '../../src/render/wrap.ts';
import { configurationSections, typeOf as typeOfSetting } from '../docs/configuration.ts';
import { eventSummaries } from '../docs/events.ts';
import { readVerbs } from '../docs/verbs.ts';
import { epoch, manifest } from './package.ts';

const MONTHS = 'January February March April May June July August September October November December'.split(' ');

/** Writes DIRECTORY/man1, man5 and man7. @returns the paths below the directory */
export async function writeManPages(directory: string): Promise<string[]> {
  const verbs = await readVerbs();
  const pages = [overview(verbs), ...verbs.map(verbPage), await settingsPage(), eventsPage()];
  for (const { path, text } of pages) {
    mkdirSync(dirname(join(directory, path)), { recursive: true });
    writeFileSync(join(directory, path), text);
  }
  return pages.map(({ path }) => path);
}

interface ManPage {
  path: string;
  text: string;
}

function page(name: string, section: number, about: string, parts: readonly string[]): ManPage {
  const day = new Date(epoch * 1000);
  const date = `${MONTHS[day.getUTCMonth()]} ${day.getUTCDate()}, ${day.getUTCFullYear()}`;
  const head = [
    `.Dd ${date}`,
    `.Dt ${name.toUpperCase()} ${section}`,
    '.Os',
    '.Sh NAME',
    `.Nm ${name}`,
    `.Nd ${about}`,
  ];
  const text = `${[...head, ...parts.filter((part) => part !== '')].join('\n')}\n`;
  return { path: `man${section}/${name}.${section}`, text };
}

const pageName = (verb: string) => `oomscope-${verb.replace(' ', '-')}`;

function overview(verbs: readonly VerbData[]): ManPage {
  const items = verbs.map(({ name, about }) => `.It Xr ${pageName(name)} 1\n${prose(capital(about))}`);
  return page('oomscope', 1, 'trace OOM kills and memory pressure of Linux', [
    '.Sh SYNOPSIS',
    '.Nm oomscope\n.Ar verb\n.Op Ar argument ...\n.Op Fl \\-option ...',
    '.Nm oomscope\n.Cm help\n.Op Ar verb',
    '.Nm oomscope\n.Fl \\-version',
    '.Sh DESCRIPTION',
    prose(`${capital(manifest.description)}.`),
    '.Pp',
    'Each verb has a page of its own:',
    `.Bl -tag -width Ds\n${items.join('\n')}\n.El`,
    '.Sh FILES',
    '.Bl -tag -width Ds\n.It Pa /etc/oomscope/oomscope.toml\nThe configuration of\n.Xr oomscope-run 1 ,\nsee\n.Xr oomscope.toml 5 .\n.El',
    exitStatus(exitsOf(Object.fromEntries(Object.keys(exitMeanings).map((name) => [name, true])))),
    '.Sh SEE ALSO',
    '.Xr oomscope.toml 5 ,\n.Xr oomscope-events 7',
  ]);
}

function verbPage(verb: VerbData): ManPage {
  const { name, about, usage, description, words, options, sections, examples, exits } = verb;
  const group = Object.keys(verbTable).includes(name) ? 'oomscope' : pageName(name.split(' ')[0] ?? '');
  return page(pageName(name), 1, about, [
    '.Sh SYNOPSIS',
    ...usage.map(synopsis),
    '.Sh DESCRIPTION',
    description.map(prose).join('\n.Pp\n'),
    words ? `.Bl -tag -width Ds\n.It Ar ${words.name}\n${prose(capital(words.about))}\n.El` : '',
    options.length > 0 ? `.Sh OPTIONS\n.Bl -tag -width Ds\n${options.map(option).join('\n')}\n.El` : '',
    ...sections.map(more),
    exits.length > 0 ? exitStatus(exits) : '',
    examples.length > 0 ? `.Sh EXAMPLES\n${examples.map(example).join('\n.Pp\n')}` : '',
    '.Sh SEE ALSO',
    `.Xr ${group} 1 ,\n.Xr oomscope-events 7`,
  ]);
}

/** A line such as "oomscope guard --as-earlyoom [earlyoom's options]". */
function synopsis(line: string): string {
  const words = line.match(/\[[^\]]*\](?:\.\.\.)?|\S+/g) ?? [];
  return words
    .map((word, i) => {
      if (i === 0) return `.Nm ${word}`;
      if (word.startsWith('[')) return `.Op ${argument(word.replace(/^\[|\]$/g, ''))}`;
      if (word.startsWith('--')) return `.Fl ${escaped(word.slice(1))}`;
      return /[A-Z]/.test(word) ? `.Ar ${argument(word).replace(/^Ar /, '')}` : `.Cm ${word}`;
    })
    .join('\n');
}

const argument = (word: string) => `Ar ${escaped(word.replace(/\.\.\.$/, ' ...'))}`;

function option(data: OptionData): string {
  const value = data.value === null ? '' : ` Ar ${escaped(data.value)}`;
  return `.It Fl ${escaped(data.name.slice(1))}${value}\n${prose(capital(meaningOf(data)))}`;
}

function more({ title, text, rows }: Section): string {
  const parts = [`.Ss ${escaped(title ?? 'Notes')}`];
  if (text !== undefined) parts.push(prose(text));
  if (rows) {
    const items = rows.map(([term, meaning]) => `.It ${literal(term)}\n${prose(capital(meaning))}`);
    parts.push(`.Bl -tag -width Ds\n${items.join('\n')}\n.El`);
  }
  return parts.join('\n');
}

function exitStatus(exits: VerbData['exits']): string {
  const items = exits.map(({ code, meaning }) => `.It ${code}\n${prose(capital(meaning))}`);
  return `.Sh EXIT STATUS\n.Bl -tag -width Ds\n${items.join('\n')}\n.El`;
}

function example({ command, about }: Example): string {
  const lines = command.split('\n').map((line) => (line.trim() === '' ? '' : `\\&${escaped(line)}`));
  return `${prose(about)}\n.Bd -literal -offset indent\n${lines.join('\n')}\n.Ed`;
}

async function settingsPage(): Promise<ManPage> {
  const sections = configurationSections().map(({ heading, about, properties, required }) => {
    const items = Object.entries(properties).map(([name, field]) => {
      const type = `${typeOfSetting(field).replaceAll('`', '')}${required.includes(name) ? ', required' : ''}`;
      return `.It Va ${escaped(name)}\n${prose(`${capital(type)}.${field.description ? ` ${capital(field.description)}.` : ''}`)}`;
    });
    const text = about === '' ? '' : `${prose(`${capital(about)}.`)}\n`;
    return `.Ss Table ${escaped(heading.replaceAll(/[[\]]/g, ''))}\n${text}.Bl -tag -width Ds\n${items.join('\n')}\n.El`;
  });
  return page('oomscope.toml', 5, 'configuration of oomscope', [
    '.Sh DESCRIPTION',
    prose(
      'The file is TOML. `oomscope config check FILE` says what is wrong with it; `oomscope config print` prints all settings with their defaults.',
    ),
    ...sections,
    '.Sh FILES',
    '.Bl -tag -width Ds\n.It Pa /etc/oomscope/oomscope.toml\nRead by the systemd unit.\n.El',
    '.Sh SEE ALSO',
    '.Xr oomscope-config-check 1 ,\n.Xr oomscope-run 1',
  ]);
}

function eventsPage(): ManPage {
  const items = eventSummaries().map(({ type, about }) => `.It Cm ${escaped(type)}\n${prose(about)}`);
  return page('oomscope-events', 7, 'events that oomscope writes as JSON Lines', [
    '.Sh DESCRIPTION',
    prose(
      'An event is one JSON object, and one line. Names are snake_case, with the unit as suffix. An integer that can pass 2^53 is a string. A value that is unknown is `null`, never 0. `oomscope schema` prints the JSON Schema, with every field.',
    ),
    `.Bl -tag -width Ds\n${items.join('\n')}\n.El`,
    '.Sh SEE ALSO',
    '.Xr oomscope-schema 1 ,\n.Xr oomscope-trace 1',
  ]);
}

/** Text whose code is between backquotes. Each sentence begins on a line of its own, as mdoc wants. */
function prose(text: string): string {
  const lines: string[] = [];
  const marked = text.replaceAll(/\s+/g, ' ').replaceAll(/(?<!`)\b[a-z]\w*\(\)(?!`)/g, '`$&`');
  for (const [i, part] of marked.split(/`([^`]*)`/).entries()) {
    if (i % 2 === 1) {
      lines.push(`.Ql ${argumentOf(part)}`);
      continue;
    }
    // Punctuation after code is an argument of the macro, so that no space comes between.
    const [, punctuation = '', rest = ''] = i === 0 ? [null, '', part] : (part.match(/^([.,;:)?!]*)(.*)$/s) ?? []);
    if (punctuation !== '') lines[lines.length - 1] += ` ${[...punctuation].join(' ')}`;
    lines.push(
      ...rest
        .trim()
        .split(/(?<=[.?!]) (?=[A-Z])/)
        .flatMap((sentence) => wrapped(sentence, COLUMNS - 8))
        .map(line),
    );
  }
  return lines.filter((one) => one !== '').join('\n');
}

/** A text line: it must not begin with a character that roff takes for a request. */
const line = (text: string) => escaped(text).replace(/^(?=[.'])/, '\\&');
const escaped = (text: string) => text.replaceAll('\\', '\\e').replaceAll('-', '\\-');
/** One argument of a macro, though it may have spaces. Words that name macros are not called. */
const argumentOf = (text: string) => {
  const word = escaped(text).replaceAll('"', '""');
  return `"${word.replace(/^(?=\W|[A-Z][a-z]?$)/, '\\&').replace(/[.,:;()?!]$/, '$&\\&')}"`;
};
const literal = (text: string) => `Ql ${argumentOf(text)}`;
const capital = (text: string) => `${text.slice(0, 1).toUpperCase()}${text.slice(1)}`;
