#!/usr/bin/env node
/**
 * oomscope VERB: finds the verb, loads only it, and turns errors into a sentence and an exit code.
 */
import { OomscopeError } from '../model/error.ts';
import { printableLines } from '../text/printable.ts';
import { VERSION } from '../version.ts';
import { defineGroup } from './verb/define-group.ts';
import { Exit, exitCodeOf, exitMeanings } from './verb/exit.ts';
import { lackOf } from './verb/surroundings.ts';
import { writeLine } from './verb/tell.ts';
import { verbs } from './verb-table.ts';

const everywhere = { ...exitMeanings, failed: `${exitMeanings.failed}; a verb may give it another meaning` };

const oomscope = defineGroup({
  verbs,
  noun: 'VERB',
  description: [
    'Finds out which process was killed for memory on Linux, which process caused it, why, and which limit was hit; which process would be killed next; and how to prevent it.',
  ],
  sections: [{ text: '`oomscope --version` prints the version.' }],
  exits: everywhere,
});

async function main(argv: string[]): Promise<number> {
  if (argv[0] === '--version' || argv[0] === 'version') {
    process.stdout.write(`oomscope ${VERSION}\n`);
    return Exit.ok;
  }
  return oomscope.run('', '', argv);
}

// SIGHUP ends a process that has no handler. The daemon has not read its configuration yet, so there is nothing to reload.
if (process.argv[2] === 'run') process.on('SIGHUP', () => {});

/** How long the process may go on after an error (ms). */
const LEAVE_MS = 1000;

main(process.argv.slice(2)).then(
  (code) => {
    process.exitCode = code;
  },
  (given: unknown) => {
    const error = lackOf(given) ?? given;
    // What was opened before the error and is not closed, a poller thread for example, must not keep the process alive.
    setTimeout(() => process.exit(), LEAVE_MS).unref();
    if (error instanceof OomscopeError) {
      const [first = '', ...others] = printableLines(error.message).split('\n');
      for (const line of [`oomscope: ${first}`, ...others]) writeLine(line);
      if (error.detail) process.stderr.write(`${printableLines(error.detail)}\n`);
      process.exitCode = exitCodeOf(error.code);
    } else {
      process.stderr.write(printableLines(`oomscope: internal error: ${(error as Error)?.stack ?? String(error)}\n`));
      process.exitCode = Exit.software;
    }
  },
);
