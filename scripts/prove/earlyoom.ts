/**
 * Compares `guard --as-earlyoom` with the real earlyoom 1.8.2, and that one with 1.7 and with the newest, over a table
 * of command lines: lines, streams, exit codes.
 *
 *   npm run prove:earlyoom -- [--fresh] [--part PART]... [--write]
 */
import { spawnSync } from 'node:child_process';
import { resolve } from 'node:path';
import { type CommandLine, commandLines, reasonFor } from '../../test/earlyoom/command-lines.ts';
import { compareEarlyoom, type Difference, type Outcome } from '../../test/earlyoom/compare.ts';
import { type EarlyoomVersion, realEarlyoom } from '../lab/earlyoom.ts';
import { prove } from './proof.ts';

const MAIN = resolve(import.meta.dirname, '../../dist/cli/main.js');
const OURS = [process.execPath, MAIN, 'guard', '--as-earlyoom'];

interface Row {
  argv: readonly string[];
  exit: Outcome['exit'];
  differences: Difference[];
}
interface Figures {
  version: string;
  rows: Row[];
}

/** @param strict whether a difference without a reason is a failure */
async function compare(version: EarlyoomVersion, ours: readonly string[], strict: boolean): Promise<Figures> {
  const real = await realEarlyoom(version);
  const rows: Row[] = [];
  for (const line of commandLines) {
    const { theirs, found } = await compareEarlyoom([real], ours, line);
    rows.push({ argv: line.argv, exit: theirs.exit, differences: found });
  }
  const unmeant = rows.filter(({ argv, differences: found }) => found.length > 0 && reasonFor({ argv }) === undefined);
  if (strict && unmeant.length > 0) throw new Error(unmeant.map(described).join('\n'));
  const said = spawnSync(real, ['-v'], { encoding: 'utf8' }).stderr;
  return { version: /v(\S+)/.exec(said)?.[1] ?? version, rows };
}

function shown(argv: CommandLine['argv']): string {
  const words = argv.map((word) => (/^[\w,.=+/:%-]{1,40}$/.test(word) ? word : `'${word.slice(0, 40)}'`));
  return words.join(' ') || '(none)';
}

function described({ argv, differences: found }: Row): string {
  return [`earlyoom ${shown(argv)}`, ...found.map((each) => JSON.stringify(each))].join('\n    ');
}

/** Every command line, by how it ends, and the differences by their reasons. */
function ofOomscope({ rows }: Figures): string {
  const [same = [], other = []] = [true, false].map((is) =>
    rows.filter(({ differences: found }) => is === (found.length === 0)),
  );
  const byReason = [...Map.groupBy(other, ({ argv }) => reasonFor({ argv }) ?? 'No reason is known.')];
  const byExit = [...Map.groupBy(same, ({ exit }) => (exit === undefined ? 'Goes on.' : `Exit status ${exit}.`))];
  const block = ([title, all]: [string, Row[]]) => `  ${title}\n${wrapped(all.map(({ argv }) => shown(argv)))}`;
  return [
    `${rows.length} command lines; ${same.length} are the same.\n`,
    `\nDifferent:\n${byReason.map(block).join('')}`,
    `\nThe same:\n${byExit.map(block).join('')}`,
  ].join('');
}

/** What another version writes instead of a line of 1.8.2; figures are replaced. */
function ofVersion({ version, rows }: Figures): string {
  const same = rows.filter(({ differences: found }) => found.length === 0).length;
  const pairs = new Map<string, number>();
  const others = new Map<string, string[]>();
  for (const { argv, differences: found } of rows) {
    for (const { what, theirs, ours } of found) {
      if (what !== 'exit status' && theirs.length === ours.length) {
        for (const [i, line] of theirs.entries()) {
          const pair = `${figureless(ours[i] ?? '')}\n    : ${figureless(line)}`;
          pairs.set(pair, (pairs.get(pair) ?? 0) + 1);
        }
      } else if (what === 'stderr') {
        const first = figureless(theirs[0] ?? 'nothing');
        others.set(first, [...(others.get(first) ?? []), shown(argv)]);
      }
    }
  }
  return [
    `${rows.length} command lines; ${same} are the same with earlyoom ${version}.\n`,
    '\nLines of 1.8.2, in how many command lines they differ, and what is written instead:\n',
    ...[...pairs].map(([text, times]) => `  ${times} x ${text}\n`),
    '\nCommand lines that end otherwise, by the first line that differs on stderr:\n',
    ...[...others].map(([first, all]) => `  ${first}\n${wrapped(all)}`),
  ].join('');
}

const figureless = (line: string) =>
  line
    .replace(/\\n$/, '')
    .replaceAll(/ *(nan|\d+\.\d+)%/g, ' #%')
    .replaceAll(/process \d+ uid.*/g, 'process …')
    .replace(/option '[^']*'$/, 'option …')
    .trim();

function wrapped(words: readonly string[]): string {
  const lines: string[] = [];
  for (const word of words) {
    const last = lines.at(-1);
    if (last === undefined || last.length + word.length > 100) lines.push(word);
    else lines[lines.length - 1] = `${last} | ${word}`;
  }
  return lines.map((line) => `    ${line}\n`).join('');
}

await prove<Figures>({
  name: 'earlyoom',
  claim:
    'Over a table of command lines, `oomscope guard --as-earlyoom` writes the lines of earlyoom 1.8.2 on the same streams and ends with the same exit status, but for the differences listed with their reasons. The first line also names oomscope.',
  parts: [
    { name: 'oomscope beside 1.8.2', run: () => compare('1.8.2', OURS, true) },
    { name: '1.7 beside 1.8.2', run: async () => compare('1.7', [await realEarlyoom('1.8.2')], false) },
    { name: 'newest beside 1.8.2', run: async () => compare('newest', [await realEarlyoom('1.8.2')], false) },
  ],
  render(parts) {
    return parts
      .flatMap(({ name, figures }) =>
        figures ? [`${name}\n\n${name.startsWith('oomscope') ? ofOomscope(figures) : ofVersion(figures)}`] : [],
      )
      .join('\n');
  },
});
