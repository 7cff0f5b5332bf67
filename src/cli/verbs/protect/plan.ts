import { dropInsFor, SYSTEMD_DIRECTORY } from '../../../protect/drop-in.ts';
import { paintFor } from '../../verb/colour.ts';
import { Exit } from '../../verb/exit.ts';
import { flag, optionsHelp, parseWords, text } from '../../verb/options.ts';
import { choiceOptions, choose } from './choice.ts';
import { dropInLines, entryJson, planLines } from './view.ts';

const options = {
  ...choiceOptions,
  'drop-ins': flag('print drop-ins for systemd instead, with which services keep their value'),
  'systemd-dir': text('DIR', `where drop-ins go (${SYSTEMD_DIRECTORY})`),
  json: flag('one JSON object on stdout'),
  'no-color': flag('no colour, even on a terminal'),
  help: flag('this text'),
};

export const help = () => `usage: oomscope protect plan [PROFILE…] [options]

Says which processes would get which oom_score_adj, why, and what is to be thought of. Changes nothing, and needs no
privilege, but only root can see everybody's programs.

${optionsHelp(options)}

Examples:
  oomscope protect plan
  oomscope protect plan database --drop-ins
  oomscope protect plan backup --profiles /etc/oomscope/profiles.toml

Exit codes: 0 fine, 1 a profile that was named comes to nothing, 2 bad option, profile or file.
`;

export async function run(argv: string[]): Promise<number> {
  const { values: given, words } = parseWords('protect plan', options, argv);
  if (given.help) {
    process.stdout.write(help());
    return Exit.ok;
  }
  const { plan, subjects, profiles, named } = await choose(words, given);
  const dropIns = dropInsFor(plan, subjects, profiles, given['systemd-dir']);
  if (given.json) {
    const idle = plan.idle;
    process.stdout.write(
      `${JSON.stringify({ entries: plan.entries.map(entryJson), idle, drop_ins: dropIns }, null, 2)}\n`,
    );
  } else if (given['drop-ins']) {
    process.stdout.write(`${dropInLines(dropIns).join('\n')}\n`);
    if (dropIns.length === 0) process.stderr.write('oomscope: no service is of one of these profiles as a whole.\n');
  } else {
    process.stdout.write(`${planLines(plan, named, paintFor(given['no-color'])).join('\n')}\n`);
  }
  return named && plan.idle.length > 0 ? Exit.failed : Exit.ok;
}
