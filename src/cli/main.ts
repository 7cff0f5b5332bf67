#!/usr/bin/env node
/**
 * oomscope VERB: finds the verb, loads only it, and turns errors into a sentence and an exit code.
 */
import { OomscopeError } from '../model/error.ts';
import { printableLines } from '../text/printable.ts';
import { VERSION } from '../version.ts';
import { defineGroup } from './verb/define-group.ts';
import { Exit, exitCodeOf, exitMeanings } from './verb/exit.ts';
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

/** What to do about the errors of a process whose limits are too low, whatever it was doing. */
const shortages = {
  EMFILE: 'raise the limit of open files to 1024 (ulimit -n, or LimitNOFILE= of the unit)',
  ENFILE: 'raise the sysctl fs.file-max',
  EAGAIN: 'raise the limit of tasks to 32 (TasksMax= of the unit, --pids-limit of the container, or ulimit -u)',
};

const isShortage = (error: unknown): error is Error & { code: keyof typeof shortages } =>
  error instanceof Error && 'code' in error && Object.hasOwn(shortages, String(error.code));

main(process.argv.slice(2)).then(
  (code) => {
    process.exitCode = code;
  },
  (error: unknown) => {
    if (error instanceof OomscopeError) {
      const [first = '', ...others] = printableLines(error.message).split('\n');
      for (const line of [`oomscope: ${first}`, ...others]) writeLine(line);
      if (error.detail) process.stderr.write(`${printableLines(error.detail)}\n`);
      process.exitCode = exitCodeOf(error.code);
    } else if (isShortage(error)) {
      writeLine(`oomscope: ${error.message}: ${shortages[error.code]}.`);
      process.exitCode = Exit.unavailable;
    } else {
      process.stderr.write(printableLines(`oomscope: internal error: ${(error as Error)?.stack ?? String(error)}\n`));
      process.exitCode = Exit.software;
    }
  },
);
