import { createInterface } from 'node:readline/promises';
import { survive } from '../../../process/survival.ts';
import type { UndoLedger } from '../../../process/undo-ledger.ts';
import { type Applied, applyPlan } from '../../../protect/apply.ts';
import { dropInsFor, installDropIns, SYSTEMD_DIRECTORY } from '../../../protect/drop-in.ts';
import { ProfileApplier } from '../../../protect/profile-applier.ts';
import { DEFAULT_UNDO_FILE, openUndoFile } from '../../../protect/undo-file.ts';
import type { Paint } from '../../../render/terminal.ts';
import { paintFor } from '../../verb/colour.ts';
import { Exit } from '../../verb/exit.ts';
import { flag, optionsHelp, parseWords, text, usage } from '../../verb/options.ts';
import { RunUntil } from '../../verb/run-until.ts';
import { type Choice, choiceOptions, choose } from './choice.ts';
import { appliedJson, appliedLine, installedLine, planLines } from './view.ts';

export const stateOption = text('FILE', `the undo file (${DEFAULT_UNDO_FILE})`);

const options = {
  ...choiceOptions,
  state: stateOption,
  watch: flag('stay, and apply the profiles to what is started from now on, as it is started'),
  realtime: flag('with --watch: ahead of all that is not real-time (SCHED_RR), in time where all CPUs are busy, too'),
  install: flag('install drop-ins for systemd, too: services then keep their value over a restart'),
  'systemd-dir': text('DIR', `where drop-ins go (${SYSTEMD_DIRECTORY})`),
  yes: flag('do not ask, on a terminal'),
  json: flag('JSON Lines: one object for each process'),
  'no-color': flag('no colour, even on a terminal'),
  help: flag('this text'),
};

export const help = () => `usage: oomscope protect apply [PROFILE…] [options]

Shows the plan, then gives each process its value. What was found is written to the undo file before anything is changed.
A process that is not the one that was planned for, or not as it was, is left alone. Children that are started from then on
inherit the value; those that run keep theirs.

To go below the value that a process has takes CAP_SYS_RESOURCE; --watch takes CAP_BPF and CAP_PERFMON as well.

${optionsHelp(options)}

Examples:
  oomscope protect apply
  oomscope protect apply database web --install
  oomscope protect apply --watch --json

Exit codes: 0 fine, 1 something was refused, or a profile that was named comes to nothing, 2 bad option, profile or file.
`;

export async function run(argv: string[]): Promise<number> {
  const { values: given, words } = parseWords('protect apply', options, argv);
  if (given.help) {
    process.stdout.write(help());
    return Exit.ok;
  }
  if (given['systemd-dir'] !== undefined && !given.install) throw usage('--systemd-dir: expected --install with it.');
  if (given.realtime && !given.watch) throw usage('--realtime: expected --watch with it.');
  const choice = await choose(words, given);
  const { plan, subjects, profiles, named } = choice;
  const paint = paintFor(given['no-color']);
  const shown = `${planLines(plan, named, paint).join('\n')}\n`;
  (given.json ? process.stderr : process.stdout).write(shown);
  const empty = plan.entries.every(({ action }) => action !== 'change') && !given.watch && !given.install;
  const mistaken = named && plan.idle.length > 0;
  if (empty) return mistaken ? Exit.failed : Exit.ok;
  if (!given.yes && !given.json && process.stdin.isTTY && process.stdout.isTTY && !(await agreed())) return Exit.ok;

  using ledger = openUndoFile(given.state);
  process.stdout.on('error', () => {}); // whoever read is gone; what was begun is brought to its end
  let refused = false;
  const say = (applied: Applied, latencyNs: bigint | null) => {
    refused ||= applied.outcome === 'refused';
    const text = given.json ? JSON.stringify(appliedJson(applied, latencyNs)) : appliedLine(applied, latencyNs, paint);
    process.stdout.write(`${text}\n`);
  };
  if (given.install) {
    const installed = installDropIns(dropInsFor(plan, subjects, profiles, given['systemd-dir']), ledger);
    for (const each of installed) process.stderr.write(`${installedLine(each, paint)}\n`);
    if (installed.some(({ outcome }) => outcome === 'written')) {
      process.stderr.write('Now `systemctl daemon-reload`; services take it when they are started the next time.\n');
    }
  }
  if (given.watch) await watch(choice, ledger, say, paint, given.realtime ?? false);
  else applyPlan(plan.entries, ledger, (applied) => say(applied, null));
  return refused || mistaken ? Exit.failed : Exit.ok;
}

async function watch(
  { profiles, options: plan, plan: first }: Choice,
  ledger: UndoLedger,
  onApplied: (applied: Applied, latencyNs: bigint | null) => void,
  paint: Paint,
  realtime: boolean,
): Promise<void> {
  survive({ nice: -20 }); // for the threads of the addon, too, which are started below
  const ending = new RunUntil();
  ending.bySignals('SIGINT', 'SIGTERM');
  process.stdout.on('error', ending.now); // whoever read is gone
  using keeper = new ProfileApplier({
    ...{ profiles, plan, ledger, onApplied },
    onLost: (count) => process.stderr.write(`oomscope: ${count} execs were lost; all processes are looked at again.\n`),
    onError: ending.fail,
  });
  if (realtime) {
    const refused = survive({ realtimePriority: 1 }).survived.realtimePriority;
    if (refused) process.stderr.write(`oomscope: --realtime: ${refused}\n`);
  }
  keeper.applyToAll(first);
  keeper.applyToAll(); // what came between the plan and here
  process.stderr.write(`${paint('dim', 'Watching what is started. Ctrl-C ends it; the values stay until `undo`.')}\n`);
  await ending.comes();
  ending.throwFailure();
}

async function agreed(): Promise<boolean> {
  const asking = createInterface({ input: process.stdin, output: process.stdout });
  try {
    return /^y(es)?$/i.test(await asking.question('Apply this? [y/N] '));
  } finally {
    asking.close();
  }
}
