import { existsSync } from 'node:fs';
import { readSubjects } from '../../../protect/subject.ts';
import { undo } from '../../../protect/undo.ts';
import { DEFAULT_UNDO_FILE, openUndoFile } from '../../../protect/undo-file.ts';
import { paintFor } from '../../verb/colour.ts';
import { Exit } from '../../verb/exit.ts';
import { flag, optionsHelp, parseOptions } from '../../verb/options.ts';
import { stateOption } from './apply.ts';
import { undoneLine } from './view.ts';

const options = {
  state: stateOption,
  json: flag('JSON Lines: one object for each process and file'),
  'no-color': flag('no colour, even on a terminal'),
  help: flag('this text'),
};

export const help = () => `usage: oomscope protect undo [options]

Puts back every value that \`protect apply\` found, also after it was interrupted; with it what children have inherited,
and the drop-ins that it installed. Where somebody else has set another value since, that is left, and said.

${optionsHelp(options)}

Examples:
  oomscope protect undo
  oomscope protect undo --state ./undo.jsonl --json

Exit codes: 0 fine, or there is nothing to undo; 1 something could not be put back, and stays in the undo file.
`;

export async function run(argv: string[]): Promise<number> {
  const given = parseOptions('protect undo', options, argv);
  if (given.help) {
    process.stdout.write(help());
    return Exit.ok;
  }
  const path = given.state ?? DEFAULT_UNDO_FILE;
  if (!existsSync(path)) {
    process.stderr.write(`oomscope: nothing to undo: there is no ${path}.\n`);
    return Exit.ok;
  }
  using ledger = openUndoFile(path);
  const undone = undo(ledger, readSubjects());
  const paint = paintFor(given['no-color']);
  for (const each of undone) process.stdout.write(`${given.json ? JSON.stringify(each) : undoneLine(each, paint)}\n`);
  if (undone.some(({ pid, outcome }) => pid === null && outcome === 'restored')) {
    process.stderr.write('Now `systemctl daemon-reload`.\n');
  }
  return undone.some(({ outcome }) => outcome === 'refused') ? Exit.failed : Exit.ok;
}
