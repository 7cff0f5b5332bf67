import { type Context, defineVerb } from '../../verb/define-verb.ts';
import { Exit } from '../../verb/exit.ts';
import { flag } from '../../verb/options.ts';
import { tell } from '../../verb/tell.ts';
import { terminalColumns } from '../../verb/terminal-size.ts';
import { choiceOptions, choose, profileWords, systemdDir } from './choice.ts';

const options = {
  ...choiceOptions,
  'drop-ins': flag('print drop-ins for systemd instead; with drop-ins, services get the value again after a restart'),
  'systemd-dir': systemdDir,
};

export const verb = defineVerb({
  description: [
    'Shows which oom_score_adj each process would get, why, and what to consider before. The verb changes nothing and needs no privilege, but only root can see the programs of other users.',
  ],
  words: profileWords,
  options,
  format: 'document',
  json: 'write one JSON object',
  examples: [
    { command: 'oomscope protect plan', about: 'Show what all profiles would change.' },
    { command: 'oomscope protect plan database --drop-ins', about: 'Print systemd drop-ins for databases.' },
    { command: 'oomscope protect plan --profiles /etc/oomscope/profiles.toml', about: 'Add your own profiles.' },
  ],
  exits: {
    ok: true,
    failed: 'a PROFILE matches no process that may be changed',
    usage: true,
    noInput: 'the file of --profiles is missing',
  },
  run,
});

async function run({ given, words, asText, paint }: Context<typeof options>): Promise<number> {
  const { plan, subjects, profiles, named } = await choose(words, given);
  const [{ dropInsFor }, { dropInLines, entryJson, planLines }] = await Promise.all([
    import('../../../protect/drop-in.ts'),
    import('./view.ts'),
  ]);
  const dropIns = dropInsFor(plan, subjects, profiles, given['systemd-dir']);
  if (!asText) {
    const json = { entries: plan.entries.map(entryJson), idle: plan.idle, drop_ins: dropIns };
    process.stdout.write(`${JSON.stringify(json, null, 2)}\n`);
  } else if (given['drop-ins']) {
    process.stdout.write(`${dropInLines(dropIns).join('\n')}\n`);
    if (dropIns.length === 0) tell('No service belongs to one of these profiles as a whole.');
  } else {
    process.stdout.write(
      `${planLines(plan, { named, paint, columns: terminalColumns(process.stdout, Number.POSITIVE_INFINITY) }).join('\n')}\n`,
    );
  }
  return named && plan.idle.length > 0 ? Exit.failed : Exit.ok;
}
