import { ScoreAdjFile } from '../../../process/oom-score-adj-file.ts';
import { peekUndoFile } from '../../../protect/undo-file.ts';
import { printable } from '../../../text/printable.ts';
import { paintFor } from '../../verb/colour.ts';
import { Exit } from '../../verb/exit.ts';
import { flag, optionsHelp, parseOptions } from '../../verb/options.ts';
import { stateOption } from './apply.ts';
import { allProfiles, choiceOptions } from './choice.ts';
import { aligned } from './view.ts';

const options = {
  profiles: choiceOptions.profiles,
  state: stateOption,
  json: flag('one JSON object on stdout'),
  'no-color': flag('no colour, even on a terminal'),
  help: flag('this text'),
};

export const help = () => `usage: oomscope protect list [options]

The profiles, in the order in which they are tried; and what \`protect apply\` has changed: what was found, what was written,
and what each process has now.

${optionsHelp(options)}

Examples:
  oomscope protect list
  oomscope protect list --json | jq '.applied[] | select(.now != .after)'
`;

export async function run(argv: string[]): Promise<number> {
  const given = parseOptions('protect list', options, argv);
  if (given.help) {
    process.stdout.write(help());
    return Exit.ok;
  }
  const profiles = await allProfiles(given.profiles);
  const entries = peekUndoFile(given.state).map(({ entry }) => entry);
  const applied = entries
    .filter((entry) => entry.kind === 'oom_score_adj')
    .map(({ pid, start_ticks, comm, by: profile, before, written }) => ({
      ...{ pid, start_ticks, comm: comm ?? '?', profile, before: Number(before), after: Number(written) },
      now: valueNow(pid, start_ticks),
    }));
  const dropIns = entries.filter((entry) => entry.kind === 'file').map(({ path, by: profile }) => ({ path, profile }));
  if (given.json) {
    process.stdout.write(`${JSON.stringify({ profiles, applied, drop_ins: dropIns }, null, 2)}\n`);
    return Exit.ok;
  }
  const paint = paintFor(given['no-color']);
  const table = aligned([
    ['PROFILE', 'ADJ', 'KNOWN BY'],
    ...profiles.map(({ name, oomScoreAdj, selectors }) => [
      name,
      String(oomScoreAdj),
      printable(selectors.map(({ by, is }) => `${by} ${is}`).join(', ')),
    ]),
  ]);
  const rows = applied.map(({ pid, comm, profile, before, after, now }) => {
    const value = now === null ? 'ended' : now === after ? '' : `now ${now}`;
    return [String(pid), printable(comm), profile, `${before} → ${after}`, value];
  });
  const changed = rows.length === 0 ? [] : ['', ...aligned([['PID', 'NAME', 'PROFILE', 'CHANGED', ''], ...rows])];
  const installed = dropIns.map(({ path, profile }) => `${printable(path)}: ${profile}`);
  const text = [paint('bold', table[0] ?? ''), ...table.slice(1), ...changed, ...installed];
  process.stdout.write(`${text.join('\n')}\n`);
  return Exit.ok;
}

/** null: it has ended, or is not ours to look at. */
function valueNow(pid: number, startTicks: number): number | null {
  try {
    using file = ScoreAdjFile.open({ pid, startTicks });
    return file.read();
  } catch {
    return null;
  }
}
