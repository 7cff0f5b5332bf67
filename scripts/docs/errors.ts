/** The page of error codes and exit codes. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Exit } from '../../src/cli/verb/exit.ts';
import { errorCodes } from '../../src/model/error.ts';
import { cell, type Page, table } from './markdown.ts';

export const errorsPage: Page = { path: 'docs/reference/errors.md', write };

const sourceOf = (path: string) => readFileSync(join(import.meta.dirname, '../..', path), 'utf8');

function write(): string {
  const exits = documented(sourceOf('src/cli/verb/exit.ts'), /^\s*([a-zA-Z]+): \d+,/m);
  return [
    '# Errors',
    'Every error of oomscope is an `OomscopeError`. Its `code` is stable: a program may branch on it. Its `message` says what was expected, what came, and what to do; `detail` holds a log, if there is one.',
    table(
      ['code', 'exit code of a verb', 'meaning', 'what to do'],
      Object.entries(errorCodes).map(([code, { exitCode, meaning, remedy }]) => [
        `\`${code}\``,
        `${exitCode}`,
        meaning,
        remedy,
      ]),
    ),
    '## Exit codes',
    'They follow sysexits(3) where it has one. [Exit codes](../exit-codes.md) says more.',
    table(
      ['exit code', 'name', 'meaning'],
      exits.map(({ name, about }) => [`${Exit[name as keyof typeof Exit]}`, `\`${name}\``, about]),
    ),
  ].join('\n\n');
}

/** The names that a pattern finds, each with the doc comment right before it. */
function documented(source: string, pattern: RegExp): { name: string; about: string }[] {
  const each = new RegExp(`(?:/\\*\\*((?:(?!\\*/)[\\s\\S])*)\\*/\\s*)?${pattern.source.replace(/^\^/, '')}`, 'gm');
  return [...source.matchAll(each)].map(([, comment = '', name = '']) => ({
    name,
    about: cell(comment.replaceAll(/^\s*\*/gm, '')),
  }));
}
