/**
 * Runs `oomscope run` in a guest as root with only the given capabilities, as systemd starts the unit, once for each
 * argument. Prints what each daemon could do as one JSON line:
 *
 *   node test/lab/unit-rights.ts CAP_BPF,CAP_PERFMON,… …
 */
import { spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { setPriority } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Event } from '../../src/model/events.ts';
import { ended, MAIN } from '../cli/cli.ts';
import { createMemoryGroup, type MemoryGroup, MIB, removeMemoryGroups } from '../kernel/memcg.ts';

export interface Rights {
  capabilities: string[];
  /** The lines on stderr. */
  said: string[];
  /** The guard has raised the oom_score_adj of another user's process. */
  raised: boolean;
  /** The program of the kernel's victim, a process of another user, as the event has it. */
  exe: string | null;
  /** The outcome of the guard's kill of another user's process. */
  killed: string | undefined;
  backends: string[];
  reloaded: boolean;
  /** How long the daemon took to start, to raise the value after that, and to reload (s). The guest is emulated. */
  seconds: { start: number; raise: number; reload: number };
  /** The capabilities of its threads after the start, as masks in hexadecimal. */
  kept: string[];
  /** The oom_score_adj of the armed process after SIGTERM; it was 0 before. */
  after: number;
  code: number | null;
}

if (!existsSync('/lab/settings')) throw new Error('expected a guest of the kernel lab');
const LOOK_MS = 100;
/** How long to wait for a start (ms): it takes a minute where the guest's clock counts instructions, more on a busy host without. */
const START_PATIENCE_MS = 200_000;
/** How long to wait for what a daemon does soon after its start, as the kill of a process (ms). */
const soon = (startMs: number) => 20_000 + startMs / 4;
/** A reload may take as long as a start. */
const afterStart = (startMs: number) => 30_000 + 2 * startMs;
/** util-linux's: BusyBox, as a shell, would take its own. */
const SETPRIV = '/runtime/bin/setpriv';
const NOBODY = [SETPRIV, '--reuid=65534', '--regid=65534', '--clear-groups'];
const HOG = `${import.meta.dirname}/../../build/hog`;

/** Where the guard keeps what it has changed: a daemon must not find what the daemon before it left. */
const STATE = '/run/oomscope';

/** A hog of the user nobody, in a group. */
function hog(group: MemoryGroup, ...args: string[]) {
  const enter = 'echo 0 >"$1/cgroup.procs" && shift && exec "$@"';
  const child = spawn('sh', ['-c', enter, 'sh', group.path, ...NOBODY, HOG, '--guest', '--adj', '0', ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  return { pid: child.pid as number, child, end: ended(child) };
}
const configOf = (guarded: MemoryGroup) => `[guard]
mode = "enforce"
[[guard.rule]]
name = "test"
on = "${guarded.cgroupPath}"
when = ["available < 24M"]
min_size = "1M"
steps = [{ do = "kill" }]
`;
const seconds = (ms: number) => Math.round(ms / 100) / 10;
const adjOf = (pid: number) => Number(readFileSync(`/proc/${pid}/oom_score_adj`, 'latin1'));

/** Looks ten times a second. Counts looks, not time, so that nothing is missed because the host stopped the guest for a while. */
async function until<T>(patienceMs: number, what: () => T | undefined | false): Promise<T | undefined> {
  for (let left = patienceMs / LOOK_MS; left > 0; left--, await sleep(LOOK_MS)) {
    const got = what();
    if (got) return got;
  }
  return undefined;
}

/** A function that tells the time since its last call (ms). */
function stopwatch(): () => number {
  let lapMs = performance.now();
  return () => {
    const since = performance.now() - lapMs;
    lapMs += since;
    return since;
  };
}

/** Starts the daemon as the unit does. */
function startDaemon(capabilities: readonly string[], config: string) {
  const set = ['-all', ...capabilities.map((name) => `+${name.slice('CAP_'.length).toLowerCase()}`)].join(',');
  const rights = [
    `--inh-caps=${set}`,
    `--ambient-caps=${set}`,
    `--bounding-set=${set}`,
    '--securebits=+noroot,+noroot_locked',
    '--no-new-privs',
  ];
  const limits = 'ulimit -l unlimited && ulimit -r 1 && exec "$@"';
  const command = [process.execPath, '--disable-sigusr1', MAIN, 'run', '--config', config, '--drop-capabilities'];
  const child = spawn('sh', ['-c', limits, 'sh', SETPRIV, ...rights, ...command], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let out = '';
  let said = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (said += text));
  const lines = (text: string) => text.split('\n').slice(0, -1);
  return {
    child,
    end: ended(child),
    said: () => lines(said),
    says: (words: string) => said.includes(words),
    gone: () => child.exitCode !== null,
    events: () => lines(out).map((line) => JSON.parse(line) as Event),
  };
}

/** The capabilities of the threads of a process. */
function capabilitiesOf(pid: number | undefined): string[] {
  const masks = readdirSync(`/proc/${pid}/task`).map(
    (tid) => /^CapEff:\s*0*(\w+)$/m.exec(readFileSync(`/proc/${pid}/task/${tid}/status`, 'latin1'))?.[1] ?? '',
  );
  return [...new Set(masks)];
}

async function attempt(capabilities: string[]): Promise<Rights> {
  rmSync(STATE, { recursive: true, force: true });
  const guarded = createMemoryGroup({ limitBytes: 96 * MIB });
  const limited = createMemoryGroup({ limitBytes: 32 * MIB });
  const config = '/tmp/rights.toml';
  writeFileSync(config, configOf(guarded));
  const target = hog(guarded, '--hold', String(64 * MIB));
  await until(START_PATIENCE_MS, () => guarded.usage() > 60 * MIB);

  const lap = stopwatch();
  const { child, end, said, says, gone, events } = startDaemon(capabilities, config);
  await until(START_PATIENCE_MS, () => says('Press Ctrl-C') || gone());
  const startMs = lap();
  const raised = (await until(soon(startMs), () => gone() || adjOf(target.pid) === 979)) === true && !gone();
  const raiseMs = lap();
  const kept = gone() ? [] : capabilitiesOf(child.pid);
  lap();
  child.kill('SIGHUP');
  const reloaded = (await until(afterStart(startMs), () => gone() || says('Reloaded'))) === true && says('Reloaded');
  const reloadMs = lap();
  hog(limited, '--max', '1G');
  const kill = await until(soon(startMs), () => gone() || events().find((event) => event.type === 'oom.kill'));
  const second = hog(guarded, '--hold', String(12 * MIB));
  const result = await until(soon(startMs), () => gone() || events().find((event) => event.type === 'guard.result'));
  await sleep(1500);
  child.kill('SIGTERM');
  const { code } = await end;
  const after = second.child.exitCode === null ? adjOf(second.pid) : Number.NaN;
  removeMemoryGroups();
  await Promise.all([target.end, second.end]);
  return {
    capabilities,
    said: said(),
    raised,
    exe: typeof kill === 'object' && kill.type === 'oom.kill' ? kill.victim.exe : null,
    killed: typeof result === 'object' && result.type === 'guard.result' ? result.outcome : undefined,
    backends: events().flatMap((event) =>
      'hooks' in event && Array.isArray(event.hooks)
        ? event.hooks.map(({ hook, backend }) => `${hook} ${backend}`)
        : [],
    ),
    reloaded,
    seconds: { start: seconds(startMs), raise: seconds(raiseMs), reload: seconds(reloadMs) },
    kept,
    after,
    code,
  };
}

// The nice value that the unit sets.
setPriority(-20);
for (const set of process.argv.slice(2)) {
  const rights = await attempt(set.split(',').filter((name) => name !== ''));
  process.stdout.write(`${JSON.stringify(rights)}\n`);
}
process.exit(0);
