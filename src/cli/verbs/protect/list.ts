import type { Profile } from '../../../protect/profile.ts';
import type { Paint } from '../../../render/paint.ts';
import { printable } from '../../../text/printable.ts';
import { type Context, defineVerb } from '../../verb/define-verb.ts';
import { Exit } from '../../verb/exit.ts';
import { terminalColumns } from '../../verb/terminal-size.ts';
import { allProfiles, choiceOptions, stateFile } from './choice.ts';

const options = { profiles: choiceOptions.profiles, 'state-file': stateFile };

export const verb = defineVerb({
  description: [
    'Lists the profiles in the order in which they are tried, and the changes of `protect apply`: for each process the value before, the value that was set, and the present value.',
  ],
  options,
  format: 'document',
  json: 'write one JSON object',
  renamed: { state: 'state-file' },
  examples: [
    { command: 'oomscope protect list', about: 'List profiles and changes.' },
    { command: 'oomscope protect list --profiles /etc/oomscope/profiles.toml', about: 'Include profiles of your own.' },
    {
      command: "oomscope protect list --json |\n  jq '.applied[] | select(.now != .after)'",
      about: 'Print processes that have ended or were changed by another program.',
    },
  ],
  exits: { ok: true, usage: true, noInput: 'the file of --profiles is missing' },
  run,
});

interface Change {
  pid: number;
  comm: string;
  profile: string;
  before: number;
  after: number;
  /** The present value. null: the process has ended, or oomscope may not read it. */
  now: number | null;
}

async function run({ given, asText, paint }: Context<typeof options>): Promise<number> {
  const [{ peekUndoFile }, { valueNow }] = await Promise.all([
    import('../../../protect/undo-file.ts'),
    import('./value-now.ts'),
  ]);
  const profiles = await allProfiles(given.profiles);
  const entries = peekUndoFile(given['state-file']).map(({ entry }) => entry);
  const applied = entries
    .filter((entry) => entry.kind === 'oom_score_adj')
    .map(({ pid, start_ticks, comm, by: profile, before, written }) => ({
      ...{ pid, start_ticks, comm: comm ?? '?', profile, before: Number(before), after: Number(written) },
      now: valueNow(pid, start_ticks),
    }));
  const dropIns = entries.filter((entry) => entry.kind === 'file').map(({ path, by: profile }) => ({ path, profile }));
  if (!asText) process.stdout.write(`${JSON.stringify({ profiles, applied, drop_ins: dropIns }, null, 2)}\n`);
  else process.stdout.write(`${(await listLines(profiles, applied, dropIns, paint)).join('\n')}\n`);
  return Exit.ok;
}

async function listLines(
  profiles: readonly Profile[],
  applied: readonly Change[],
  dropIns: readonly { path: string; profile: string }[],
  paint: Paint,
): Promise<string[]> {
  const [{ aligned }, { hanging }] = await Promise.all([import('./view.ts'), import('../../../render/wrap.ts')]);
  const columns = terminalColumns(process.stdout, Number.POSITIVE_INFINITY);
  const names = Math.max(...profiles.map(({ name }) => name.length), 'PROFILE'.length);
  const [head = '', ...table] = aligned([
    ['PROFILE', 'ADJ', 'MATCHES'],
    ...profiles.map(({ name, oomScoreAdj, selectors }) => [
      name,
      String(oomScoreAdj),
      hanging(printable(selectors.map(({ by, is }) => `${by} ${is}`).join(', ')), columns, names + 8),
    ]),
  ]);
  const rows = applied.map(({ pid, comm, profile, before, after, now }) => {
    const value = now === null ? 'ended' : now === after ? '' : `now ${now}`;
    return [String(pid), printable(comm), profile, `${before} → ${after}`, value];
  });
  const changed = rows.length === 0 ? [] : ['', ...aligned([['PID', 'NAME', 'PROFILE', 'CHANGED', ''], ...rows])];
  const installed = dropIns.map(({ path, profile }) => `${printable(path)}: ${profile}`);
  return [paint('bold', head), ...table, ...changed, ...installed];
}
