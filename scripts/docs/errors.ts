/** The page of error codes and exit codes. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { errorCodes } from '../../src/model/error.ts';
import { cell, type Page, table } from './markdown.ts';

export const errorsPage: Page = { path: 'docs/reference/errors.md', write };

function write(): string {
  return [
    '# Errors',
    'Every error of oomscope is an `OomscopeError`. Its `code` is stable: a program may branch on it. Its `message` says what was expected, what came, and what to do; `detail` holds the end of a log, if there is one.',
    table(
      ['code', 'meaning', 'what to do', 'exit code'],
      Object.entries(errorCodes).map(([code, { meaning, remedy, exitCode }]) => [
        `\`${code}\``,
        cell(meaning),
        cell(remedy),
        String(exitCode),
      ]),
    ),
    '## Exit codes',
    'They follow sysexits(3) where it has one. [Exit codes](../exit-codes.md) says more.',
    table(['exit code', 'meaning'], exitCodes()),
  ].join('\n\n');
}

/** The exit codes with the doc comment right before each. */
function exitCodes(): string[][] {
  const source = readFileSync(join(import.meta.dirname, '../../src/cli/verb/exit.ts'), 'utf8');
  return [...source.matchAll(/\/\*\*((?:(?!\*\/)[\s\S])*)\*\/\s*[a-zA-Z]+: (\d+),/g)].map(
    ([, comment = '', code = '']) => [code, cell(comment.replaceAll(/^\s*\*/gm, ''))],
  );
}
