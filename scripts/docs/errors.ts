/** Makes the page of error codes and exit codes. */
import { Exit, type ExitName, exitMeanings } from '../../src/cli/verb/exit.ts';
import { errorCodes } from '../../src/model/error.ts';
import { cell, type Page, table } from './markdown.ts';

export const errorsPage: Page = { path: 'docs/reference/errors.md', write };

function write(): string {
  return [
    '# Errors',
    'Every error of oomscope is an `OomscopeError`. Its `code` is stable, so that programs can test for it. Its `message` says what was expected, what was found, and what to do. `detail` has the end of a log, if there is one.',
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
    'If sysexits(3) has a code for the case, oomscope uses it. [Exit codes](../exit-codes.md) says more.',
    table(
      ['exit code', 'meaning'],
      (Object.keys(Exit) as ExitName[]).map((name) => [`${Exit[name]}`, exitMeanings[name]]),
    ),
  ].join('\n\n');
}
