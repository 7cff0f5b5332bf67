/**
 * Makes the page of the library: its functions, classes and options, from the published types and their doc comments.
 */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { anchorOf, cell, type Page, table } from './markdown.ts';

const DIST = join(import.meta.dirname, '../../dist');
const ENTRIES = [
  { name: 'oomscope', file: 'index.d.ts' },
  { name: 'oomscope/explain', file: 'explain/index.d.ts' },
  { name: 'oomscope/fleet', file: 'fleet/index.d.ts' },
  { name: 'oomscope/testing', file: 'testing/index.d.ts' },
];

export const apiPage: Page = { path: 'docs/reference/api.md', write };

interface Declaration {
  name: string;
  kind: 'function' | 'class' | 'interface' | 'const' | 'type';
  doc: string;
  /** The text of the declaration, from its name to its end. */
  text: string;
}

interface Member {
  text: string;
  doc: string;
}

function write(): string {
  const entries = ENTRIES.map(({ name, file }) => ({ name, declarations: exportsOf(join(DIST, file)) }));
  return [
    '# All names of the library',
    'This page is made from the published types and their doc comments. [The library](../library.md) is the introduction. [Events](events.md) describes the types of events.',
    ...entries.flatMap(({ name, declarations }) => [
      `## ${name}`,
      declarations.map((one) => `[\`${one.name}\`](#${anchorOf(titleOf(one))})`).join(', '),
      ...declarations.map(section),
    ]),
  ].join('\n\n');
}

/** The declarations that an entry exports by name, in the order of their names. Types of events are left out. */
function exportsOf(file: string): Declaration[] {
  const source = readFileSync(file, 'utf8');
  const named = [...source.matchAll(/^export (?:type )?\{([^}]*)\} from '([^']+)';/gm)].flatMap(
    ([, names = '', path = '']) =>
      names.split(',').flatMap((part) => {
        const name = /^\s*(?:type )?(\w+)/.exec(part)?.[1];
        return name === undefined ? [] : [{ name, from: join(dirname(file), path) }];
      }),
  );
  return named
    .flatMap(({ name, from }) => find(name, from) ?? [])
    .filter(({ kind, text }) => !(kind === 'type' && text.includes('model/')))
    .sort((a, b) => (a.name.toLowerCase() < b.name.toLowerCase() ? -1 : 1));
}

/** Finds a declaration by name: in this file, or in the file from which this file exports it again. */
function find(name: string, path: string): Declaration | undefined {
  const file = path.replace(/\.ts$/, '.d.ts');
  if (!existsSync(file)) return undefined;
  const source = readFileSync(file, 'utf8');
  const head = new RegExp(
    `((?:/\\*\\*(?:(?!\\*/)[\\s\\S])*\\*/\\n)?)^export (?:declare )?(?:abstract )?(function|class|interface|const|type) ${name}\\b`,
    'm',
  ).exec(source);
  if (head) {
    const [whole, doc = '', kind] = head;
    const start = head.index + whole.length - name.length;
    return { name, kind: kind as Declaration['kind'], doc, text: untilEnd(source.slice(start)) };
  }
  const again = new RegExp(`\\{[^}]*\\b${name}\\b[^}]*\\} from '([^']+)'`).exec(source)?.[1];
  return again === undefined ? undefined : find(name, join(dirname(file), again));
}

/** tsc indents the lines of a declaration, so the declaration ends at the first line that is not indented. */
function untilEnd(text: string): string {
  const lines = text.split('\n');
  const end = lines.findIndex((line, i) => i > 0 && !/^\s/.test(line) && line !== '');
  const closed = lines[end]?.startsWith('}') ? end + 1 : end;
  return lines
    .slice(0, closed < 0 ? undefined : closed)
    .join('\n')
    .trim();
}

const titleOf = ({ name, kind }: Declaration) => (kind === 'function' ? `${name}()` : name);

function section(declaration: Declaration): string {
  const { name, kind, doc, text } = declaration;
  const members = kind === 'class' || kind === 'interface' ? membersOf(text) : [];
  const rows = members.map((member) => [`\`${cell(member.text)}\``, cell(sentencesOf(member.doc))]);
  const code = `\`\`\`typescript\n${kind === 'type' || kind === 'const' ? `${kind} ` : ''}${text}\n\`\`\``;
  return [
    `### ${titleOf(declaration)}`,
    sentencesOf(doc),
    rows.length > 0 ? table([kind === 'class' ? `member of ${name}` : 'field', 'meaning'], rows) : code,
  ]
    .filter((part) => part !== '')
    .join('\n\n');
}

/** The public members of a class or an interface, each with the doc comment before it. */
function membersOf(text: string): Member[] {
  const member = /((?: {4}\/\*\*(?:(?!\*\/)[\s\S])*\*\/\n)?) {4}(?![ }/*#])((?:.*\n(?: {5,}.*\n| {4}\}.*\n)*))/g;
  return [...text.matchAll(member)]
    .map(([, doc = '', code = '']) => ({
      doc,
      text: code
        .trim()
        .replace(/;$/, '')
        .replaceAll(/\s*\n\s*/g, ' '),
    }))
    .filter((one) => !/^(private|constructor|\[Symbol)/.test(one.text));
}

/**
 * Converts a doc comment to Markdown: links to names become code, `@throws` and `@param` become sentences. Code
 * examples are dropped, because the hand-written pages have examples of their own.
 */
function sentencesOf(doc: string): string {
  return doc
    .replace(/^\s*\/\*\*/, '')
    .replace(/\*\/\s*$/, '')
    .replaceAll(/^\s*\* ?/gm, '')
    .replaceAll(/```[\s\S]*?```/g, '')
    .replaceAll(/\{@link (\w+)\}/g, '`$1`')
    .replaceAll(/@param (\w+)/g, '\n- `$1`:')
    .replaceAll('@throws', '\n- Throws')
    .replaceAll('@returns', '\n- Returns')
    .trim();
}
