/**
 * `oomscope guard --as-earlyoom` takes earlyoom's options, so that in earlyoom's unit only the program in ExecStart=
 * changes.
 */

import { type Earlyoom, EarlyoomRefusal, parseEarlyoom } from '../../../config/import/earlyoom.ts';
import { type OpenedGuard, openGuard } from '../../../guard/open-guard.ts';
import type { Sampler } from '../../../guard/senses/sampler.ts';
import type { Event } from '../../../model/events.ts';
import type { GuardTarget } from '../../../model/guard.ts';
import { survive } from '../../../process/survival.ts';
import { printable } from '../../../text/printable.ts';
import { VERSION } from '../../../version.ts';
import { Exit } from '../../verb/exit.ts';
import { machineKib } from '../../verb/machine.ts';
import { RunUntil } from '../../verb/run-until.ts';

export const help = () => `usage: oomscope guard --as-earlyoom [earlyoom's options]

Takes the place of earlyoom in its unit file, with the same options.

  -m PERCENT[,KILL]  SIGTERM when at most this much memory is available, SIGKILL
                     at the second value (default: 10,5)
  -s PERCENT[,KILL]  the same for free swap; both must hold (default: 10,5)
  -M, -S KIB[,KILL]  the same in KiB; where both are given, the lower one counts
  -g                 kill the whole process group
  -N PROGRAM         run this after a kill
  -P PROGRAM         run this before a kill, for at most 200 ms. Both have
                     EARLYOOM_PID, _UID, _NAME, _CMDLINE in their environment;
                     any process may choose its own name
  -n                 show a notification on the desktop
  -r SECONDS         interval of reports about available memory (default: 1);
                     0: no reports
  -p                 run with nice -20 and oom_score_adj -100
  --prefer REGEX, --avoid REGEX, --ignore REGEX
                     regular expressions for the process name of 15 bytes
  --ignore-root-user, --sort-by-rss, --dryrun, -d, -v, -h

Exit codes (those of earlyoom):
   6  bad regular expression
  13  bad option
  14  bad interval
  15  bad -m or -M
  16  bad -s or -S
`;

const say = (line: string) => process.stderr.write(`${printable(line)}\n`);

export async function run(argv: string[]): Promise<number> {
  let asked: Earlyoom;
  try {
    asked = parseEarlyoom(argv, machineKib());
  } catch (error) {
    if (!(error instanceof EarlyoomRefusal)) throw error;
    say(`oomscope: ${error.message}`);
    return error.exitCode;
  }
  if (asked.asked !== 'run') {
    process.stdout.write(asked.asked === 'help' ? help() : `oomscope ${VERSION}, as earlyoom\n`);
    return Exit.ok;
  }
  return watch(asked);
}

async function watch(asked: Earlyoom): Promise<number> {
  const { guard: config, memory, swap, notes, priority } = asked;
  const cmdlines = new Map<number, string>();
  const beforeSignal = async ({ victim }: { victim: GuardTarget }) => {
    cmdlines.set(victim.pid, opened.sampler.process(victim.pid)?.cmdline ?? '');
    if (asked.before !== undefined) await runHook(asked.before, victim, cmdlines, 200);
  };
  const opened: OpenedGuard = await openGuard(config, { cmdline: true, beforeSignal });
  const percent = (value: number) => `${value.toFixed(2)}%`;
  for (const note of [...notes, ...opened.notes]) say(`oomscope: ${note}`);
  if (config.mode === 'dry_run') say('dry run: nothing is killed');
  say(`sending SIGTERM when mem <= ${percent(memory[0])} and swap <= ${percent(swap[0])},`);
  say(`        SIGKILL when mem <= ${percent(memory[1])} and swap <= ${percent(swap[1])}`);
  const survival = priority ? survive({ nice: -20, oomScoreAdj: -100 }) : undefined;
  for (const why of Object.values(survival?.survived ?? {})) if (why !== null) say(`oomscope: -p: ${why}`);

  const ending = new RunUntil();
  ending.bySignals('SIGINT', 'SIGTERM');
  opened.guard.events$.subscribe({
    next: (event) => void onEvent(event, asked, cmdlines),
    error: ending.fail,
  });
  opened.guard.start();
  const report = () => process.stdout.write(`${levels(opened.sampler)}\n`);
  const timer = asked.reportSeconds > 0 ? setInterval(report, asked.reportSeconds * 1000) : undefined;
  if (timer) report();
  await ending.comes();
  clearInterval(timer);
  await opened.close();
  survival?.undo();
  ending.throwFailure();
  return Exit.ok;
}

function levels(sampler: Sampler): string {
  const { available_bytes, anon_bytes, swap_free_bytes, swap_total_bytes } = sampler.levels().system;
  const part = (left: number, whole: number) => {
    const mib = (bytes: number) => String(Math.floor(bytes / 2 ** 20)).padStart(5);
    const percent = whole > 0 ? (100 * left) / whole : 0;
    return `${mib(left)} of ${mib(whole)} MiB (${percent.toFixed(2).padStart(5)}%)`;
  };
  return `mem avail: ${part(available_bytes, available_bytes + anon_bytes)}, swap free: ${part(swap_free_bytes, swap_total_bytes)}`;
}

async function onEvent(event: Event, asked: Earlyoom, cmdlines: Map<number, string>): Promise<void> {
  if (event.type !== 'guard.action' && event.type !== 'guard.plan' && event.type !== 'guard.result') return;
  say(event.message);
  if (event.type !== 'guard.result' || event.mode !== 'enforce' || event.trigger_to_signal_ns === null) return;
  if (asked.after !== undefined) await runHook(asked.after, event.target, cmdlines, 10_000);
  if (asked.desktop) {
    const { runProgram } = await import('../../../process/program.ts');
    const args = ['--icon=dialog-warning', 'oomscope', printable(event.message)];
    await runProgram({
      path: 'notify-send',
      args,
      env: hookEnvironment(),
      input: '',
      signal: AbortSignal.timeout(5000),
    });
  }
}

async function runHook(
  path: string,
  victim: GuardTarget,
  cmdlines: Map<number, string>,
  timeoutMs: number,
): Promise<void> {
  const { runProgram } = await import('../../../process/program.ts');
  const env = {
    ...hookEnvironment(),
    EARLYOOM_PID: String(victim.pid),
    EARLYOOM_UID: String(victim.uid ?? ''),
    EARLYOOM_NAME: victim.comm.replaceAll('\0', ''),
    EARLYOOM_CMDLINE: (cmdlines.get(victim.pid) ?? '').replaceAll('\0', ' '),
  };
  const { outcome, reply } = await runProgram({
    path,
    args: [],
    env,
    input: '',
    signal: AbortSignal.timeout(timeoutMs),
  });
  if (outcome !== 'delivered') say(`oomscope: ${path}: ${reply}`);
}

function hookEnvironment(): Record<string, string> {
  return Object.fromEntries(
    Object.entries(process.env).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
  );
}
