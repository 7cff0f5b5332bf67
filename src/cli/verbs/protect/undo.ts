import { existsSync } from 'node:fs';
import { DEFAULT_UNDO_FILE } from '../../../protect/paths.ts';
import { type Context, defineVerb } from '../../verb/define-verb.ts';
import { Exit } from '../../verb/exit.ts';
import { tell } from '../../verb/tell.ts';
import { stateFile } from './choice.ts';

const options = { 'state-file': stateFile };

export const verb = defineVerb({
  description: [
    'Restores every value that `protect apply` changed, even if it was interrupted, and the values that children inherited. Removes the drop-ins that it installed. A value that another program has changed since is not restored, but reported.',
  ],
  options,
  format: 'records',
  renamed: { state: 'state-file' },
  examples: [
    { command: 'sudo oomscope protect undo', about: 'Undo all changes.' },
    {
      command: 'oomscope protect undo --state-file ./undo.jsonl',
      about: 'Undo the changes that are recorded in another file.',
    },
    {
      command: 'sudo oomscope protect undo --json |\n  jq -c \'select(.outcome != "restored")\'',
      about: 'Print the values that were not restored.',
    },
  ],
  exits: {
    ok: 'everything was undone, or there was nothing to undo',
    failed: 'a value could not be restored; its entry stays in the undo file',
    usage: true,
  },
  run,
});

async function run({ given, asText, paint }: Context<typeof options>): Promise<number> {
  const [{ openUndoFile }, { readSubjects }, { undo }, { undoneLine }] = await Promise.all([
    import('../../../protect/undo-file.ts'),
    import('../../../protect/subject.ts'),
    import('../../../protect/undo.ts'),
    import('./view.ts'),
  ]);
  const path = given['state-file'] ?? DEFAULT_UNDO_FILE;
  if (!existsSync(path)) {
    tell(`There is nothing to undo: ${path} does not exist.`);
    return Exit.ok;
  }
  using ledger = openUndoFile(path);
  const undone = undo(ledger, readSubjects());
  for (const each of undone) process.stdout.write(`${asText ? undoneLine(each, paint) : JSON.stringify(each)}\n`);
  if (undone.some(({ pid, outcome }) => pid === null && outcome === 'restored')) {
    tell('Run `systemctl daemon-reload` now.');
  }
  return undone.some(({ outcome }) => outcome === 'refused') ? Exit.failed : Exit.ok;
}
