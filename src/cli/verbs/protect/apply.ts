import type { UndoLedger } from '../../../process/undo-ledger.ts';
import type { Applied } from '../../../protect/apply.ts';
import { type Context, defineVerb } from '../../verb/define-verb.ts';
import { Exit } from '../../verb/exit.ts';
import { flag, usage } from '../../verb/options.ts';
import { tell } from '../../verb/tell.ts';
import { terminalColumns } from '../../verb/terminal-size.ts';
import { type Choice, choiceOptions, choose, profileWords, stateFile, systemdDir } from './choice.ts';

const options = {
  ...choiceOptions,
  'state-file': stateFile,
  watch: flag('keep running, and apply the profiles to each new process'),
  realtime: flag(
    'with --watch: run with real-time priority (SCHED_RR), so that oomscope is fast enough when all CPUs are busy',
  ),
  install: flag('also install drop-ins for systemd, so that services get the value again after a restart'),
  'systemd-dir': systemdDir,
  yes: flag('on a terminal, do not ask before applying'),
};

export const verb = defineVerb({
  description: [
    'Shows the plan, then sets the oom_score_adj of each process. The old values are written to the undo file before any value is changed. A process is left alone if its pid now belongs to another process, or if it has changed since the plan. Children that start later inherit the new value; running children keep theirs.',
    'Setting a value lower than the present one needs CAP_SYS_RESOURCE; --watch needs CAP_BPF and CAP_PERFMON as well.',
  ],
  words: profileWords,
  options,
  format: 'records',
  renamed: { state: 'state-file' },
  examples: [
    { command: 'sudo oomscope protect apply', about: 'Apply all profiles, after asking.' },
    {
      command: 'sudo oomscope protect apply database web --install',
      about: 'Apply two profiles, and install drop-ins for the next start of services.',
    },
    {
      command: 'sudo oomscope protect apply --watch --json',
      about: 'Apply the profiles also to new processes, and log each change.',
    },
    {
      command: 'oomscope protect apply web --yes --state-file ./undo.jsonl',
      about: 'Use another undo file. Raising the values of your own processes needs no privilege.',
    },
  ],
  exits: {
    ok: true,
    failed: 'the kernel refused a change, or a PROFILE matches no process',
    usage: true,
    noInput: 'the file of --profiles is missing',
  },
  run,
});

async function run({ given, words, asText, paint }: Context<typeof options>): Promise<number> {
  if (given['systemd-dir'] !== undefined && !given.install) throw usage('--systemd-dir: expected --install with it.');
  if (given.realtime && !given.watch) throw usage('--realtime: expected --watch with it.');
  const choice = await choose(words, given);
  const { plan, named } = choice;
  const { appliedJson, appliedLine, planLines } = await import('./view.ts');
  (asText ? process.stdout : process.stderr).write(
    `${planLines(plan, { named, paint, columns: terminalColumns(asText ? process.stdout : process.stderr, 200) }).join('\n')}\n`,
  );
  const empty = plan.entries.every(({ action }) => action !== 'change') && !given.watch && !given.install;
  const mistaken = named && plan.idle.length > 0;
  if (empty) return mistaken ? Exit.failed : Exit.ok;
  const ask = asText && !given.yes && process.stdin.isTTY && process.stdout.isTTY;
  if (ask && !(await isAgreed())) return Exit.ok;

  const [{ applyPlan }, { openUndoFile }] = await Promise.all([
    import('../../../protect/apply.ts'),
    import('../../../protect/undo-file.ts'),
  ]);
  using ledger = openUndoFile(given['state-file']);
  process.stdout.on('error', () => {}); // the reader has closed stdout; the changes are still completed
  let refused = false;
  const onApplied = (applied: Applied, latencyNs: bigint | null) => {
    refused ||= applied.outcome === 'refused';
    const text = asText ? appliedLine(applied, latencyNs, paint) : JSON.stringify(appliedJson(applied, latencyNs));
    process.stdout.write(`${text}\n`);
  };
  if (given.install) await install(choice, ledger, given['systemd-dir']);
  if (given.watch) {
    const { watchProfiles } = await import('./watch.ts');
    await watchProfiles(choice, ledger, onApplied, given.realtime ?? false);
  } else applyPlan(plan.entries, ledger, (applied) => onApplied(applied, null));
  return refused || mistaken ? Exit.failed : Exit.ok;
}

async function install({ plan, subjects, profiles }: Choice, ledger: UndoLedger, directory: string | undefined) {
  const [{ dropInsFor, installDropIns }, { installedLine }] = await Promise.all([
    import('../../../protect/drop-in.ts'),
    import('./view.ts'),
  ]);
  const installed = installDropIns(dropInsFor(plan, subjects, profiles, directory), ledger);
  for (const each of installed) tell(installedLine(each));
  if (installed.some(({ outcome }) => outcome === 'written')) {
    tell('Run `systemctl daemon-reload` now; services take the value when they are started the next time.');
  }
}

async function isAgreed(): Promise<boolean> {
  const { createInterface } = await import('node:readline/promises');
  const asking = createInterface({ input: process.stdin, output: process.stdout });
  try {
    return /^y(es)?$/i.test(await asking.question('Apply this? [y/N] '));
  } finally {
    asking.close();
  }
}
