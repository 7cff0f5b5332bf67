/**
 * Runs `oomscope run` in a guest as root with only the given capabilities, as systemd starts the unit. Prints what it
 * could do as one JSON line:
 *
 *   node test/lab/unit-rights.ts CAP_BPF,CAP_PERFMON,…
 */
import { spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
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
/**
 * How long to wait for what does not come without a capability (ms). A start takes some 10 s on a quiet host and minutes on a
 * busy one, and a reload as long as a start, so the wait grows with the time that the start took.
 */
let patienceMs = 120_000;
const afterStart = (startMs: number) => 30_000 + 2 * startMs;
/** util-linux's: BusyBox, as a shell, would take its own. */
const SETPRIV = '/runtime/bin/setpriv';
const NOBODY = [SETPRIV, '--reuid=65534', '--regid=65534', '--clear-groups'];
const HOG = `${import.meta.dirname}/../../build/hog`;

const capabilities = (process.argv[2] ?? '').split(',').filter((name) => name !== '');
const guarded = createMemoryGroup({ limitBytes: 96 * MIB });
const limited = createMemoryGroup({ limitBytes: 32 * MIB });
const config = '/tmp/rights.toml';
writeFileSync(
  config,
  `[guard]
mode = "enforce"
[[guard.rule]]
name = "test"
on = "${guarded.cgroupPath}"
when = ["available < 24M"]
min_size = "1M"
steps = [{ do = "kill" }]
`,
);

/** A hog of the user nobody, in a group. */
function hog(group: MemoryGroup, ...args: string[]) {
  const enter = 'echo 0 >"$1/cgroup.procs" && shift && exec "$@"';
  const child = spawn('sh', ['-c', enter, 'sh', group.path, ...NOBODY, HOG, '--guest', '--adj', '0', ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  return { pid: child.pid as number, child, end: ended(child) };
}
const seconds = (ms: number) => Math.round(ms / 100) / 10;
const adjOf = (pid: number) => Number(readFileSync(`/proc/${pid}/oom_score_adj`, 'latin1'));

async function until<T>(what: () => T | undefined | false): Promise<T | undefined> {
  for (const end = performance.now() + patienceMs; performance.now() < end; await sleep(100)) {
    const got = what();
    if (got) return got;
  }
  return undefined;
}

const target = hog(guarded, '--hold', String(64 * MIB));
await until(() => guarded.usage() > 60 * MIB);
const set = ['-all', ...capabilities.map((name) => `+${name.slice('CAP_'.length).toLowerCase()}`)].join(',');
const rights = [
  `--inh-caps=${set}`,
  `--ambient-caps=${set}`,
  `--bounding-set=${set}`,
  '--securebits=+noroot,+noroot_locked',
  '--no-new-privs',
];
// The nice value and the limits that the unit sets.
setPriority(-20);
const limits = 'ulimit -l unlimited && ulimit -r 1 && exec "$@"';
const command = [process.execPath, '--disable-sigusr1', MAIN, 'run', '--config', config, '--drop-capabilities'];
const child = spawn('sh', ['-c', limits, 'sh', SETPRIV, ...rights, ...command], { stdio: ['ignore', 'pipe', 'pipe'] });
let out = '';
let said = '';
child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text));
child.stderr.setEncoding('utf8').on('data', (text: string) => (said += text));
const end = ended(child);
const events = () =>
  out
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as Event);

let lapMs = performance.now();
/** The time since the last call (ms). */
function lap(): number {
  const since = performance.now() - lapMs;
  lapMs += since;
  return since;
}
await until(() => said.includes('Press Ctrl-C') || child.exitCode !== null);
const startMs = lap();
patienceMs = afterStart(startMs);
const raised =
  (await until(() => child.exitCode !== null || adjOf(target.pid) === 1000)) === true && child.exitCode === null;
const raiseMs = lap();
const kept = new Set(
  (child.exitCode === null ? readdirSync(`/proc/${child.pid}/task`) : []).map(
    (tid) => /^CapEff:\s*0*(\w+)$/m.exec(readFileSync(`/proc/${child.pid}/task/${tid}/status`, 'latin1'))?.[1] ?? '',
  ),
);
lap();
child.kill('SIGHUP');
const reloaded =
  (await until(() => child.exitCode !== null || said.includes('Reloaded'))) === true && said.includes('Reloaded');
const reloadMs = lap();
hog(limited, '--max', '1G');
const kill = await until(() => child.exitCode !== null || events().find((event) => event.type === 'oom.kill'));
const second = hog(guarded, '--hold', String(12 * MIB));
const result = await until(() => child.exitCode !== null || events().find((event) => event.type === 'guard.result'));
await sleep(1500);
child.kill('SIGTERM');
const { code } = await end;
const rightsSeen: Rights = {
  capabilities,
  said: said.split('\n').slice(0, -1),
  raised,
  exe: typeof kill === 'object' && kill.type === 'oom.kill' ? kill.victim.exe : null,
  killed: typeof result === 'object' && result.type === 'guard.result' ? result.outcome : undefined,
  backends: events().flatMap((event) =>
    'hooks' in event && Array.isArray(event.hooks) ? event.hooks.map(({ hook, backend }) => `${hook} ${backend}`) : [],
  ),
  reloaded,
  seconds: { start: seconds(startMs), raise: seconds(raiseMs), reload: seconds(reloadMs) },
  kept: [...kept],
  after: second.child.exitCode === null ? adjOf(second.pid) : Number.NaN,
  code,
};
process.stdout.write(`${JSON.stringify(rightsSeen)}\n`);
for (const { child: each } of [target, second]) each.kill('SIGKILL');
removeMemoryGroups();
process.exit(0);
