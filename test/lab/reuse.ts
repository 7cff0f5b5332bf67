/**
 * Tests that reused pids do not misdirect signals. Thousands of short-lived processes run in a guest with few pids.
 * Some of them are chosen and signalled a little later, directly and by arming. Their parent (scripts/churn.c) reports
 * which of them died of a signal.
 *
 *   node test/lab/reuse.ts COUNT LIFE_MS
 *
 * Prints a JSON line. It sets pid_max, so it runs only in a guest or, since Linux 6.14, in a pid namespace with a pid_max of its
 * own (unshare -p -f --mount-proc). In a pid namespace the addon sends the signals, never the BPF program.
 */
import { spawn } from 'node:child_process';
import { existsSync, readFileSync, readlinkSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { openArming } from '../../src/guard/arming/arming.ts';
import { kernelVersion } from '../../src/linux/capabilities.ts';
import { OomscopeError } from '../../src/model/error.ts';
import { ProcessHandle, type ProcessIdentity } from '../../src/process/process-handle.ts';
import { createMemoryGroup, MIB, startHog } from '../kernel/memcg.ts';

export interface Reuse {
  processes: number;
  backend: string;
  /** Number of processes that were chosen; the next fields count the outcomes, signalled directly and by arming. */
  chosen: number;
  signalled: number;
  fired: Record<string, number>;
  /**
   * How many times the pid belonged to another process at the time of the signal: kill(2) would have hit that process.
   */
  reused: number;
  /** Number of processes that died of a signal. */
  killed: number;
  /** The processes that died of a signal although they were not chosen. */
  wrong: string[];
  seconds: number;
}

const count = Number(process.argv[2] ?? 3000);
const lifeMs = Number(process.argv[3] ?? 400);
const PIDS = 430; // the kernel does not reuse pids below 300
const PARALLEL = 64;
const THINKING_MS = 4 * lifeMs;
const HANDS = 8;
const CHURN = join(import.meta.dirname, '..', '..', 'build', 'churn');

const [major, minor] = kernelVersion();
const ownPids = readlinkSync('/proc/self/ns/pid') !== 'pid:[4026531836]' && (major > 6 || (major === 6 && minor >= 14));
if (!existsSync('/lab/settings') && !ownPids) throw new Error('expected a guest of the kernel lab, or a pid namespace');
writeFileSync('/proc/sys/kernel/pid_max', String(PIDS));

const begin = performance.now();
const arming = openArming();
const group = createMemoryGroup({ limitBytes: 16 * MIB });
const domain = statSync(group.path, { bigint: true }).ino;
const churn = spawn(CHURN, [String(count), String(PARALLEL), String(lifeMs * 1000)], {
  stdio: ['ignore', 'pipe', 'inherit'],
});
const killed: string[] = [];
let done = false;
createInterface({ input: churn.stdout }).on('line', (line) => {
  if (line.startsWith('done')) done = true;
  else killed.push(line);
});

/** "PID TICKS" of every process that a signal may have reached. */
const chosen = new Set<string>();
const fired: Record<string, number> = {};
let signalled = 0;
let reused = 0;
const name = ({ pid, startTicks }: ProcessIdentity) => `${pid} ${startTicks}`;

arming.fired$.subscribe(({ outcome, by }) => {
  fired[`${outcome} by ${by}`] = (fired[`${outcome} by ${by}`] ?? 0) + 1;
});

/** A random child of churn, identified by pid and start time. */
function choose(): ProcessIdentity | undefined {
  const children = readFileSync(`/proc/${churn.pid}/task/${churn.pid}/children`, 'latin1').trim().split(' ');
  const pid = Number(children[Math.floor(Math.random() * children.length)]);
  const ticks = statFields(pid)?.[19];
  return ticks === undefined ? undefined : { pid, startTicks: Number(ticks) };
}

function statFields(pid: number): string[] | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return text.slice(text.lastIndexOf(')') + 2).split(' ');
  } catch {
    return undefined;
  }
}

async function byHand(): Promise<void> {
  while (!done) {
    const target = choose();
    // the pid then belongs either to the chosen process or to another one
    await sleep(Math.random() * (Math.random() < 0.5 ? lifeMs / 10 : THINKING_MS));
    if (!target) continue;
    chosen.add(name(target));
    const now = statFields(target.pid)?.[19];
    if (now !== undefined && Number(now) !== target.startTicks) reused++;
    try {
      using handle = ProcessHandle.open(target);
      if (handle.signal('SIGKILL')) signalled++;
    } catch (error) {
      if (!(error instanceof OomscopeError && error.code === 'PROCESS_GONE')) throw error;
    }
  }
}

/** Arms targets for a cgroup that runs out of memory repeatedly. Most targets have exited before the shortage. */
async function byArming(): Promise<void> {
  while (!done) {
    const target = choose();
    await sleep(15);
    if (!target) continue;
    try {
      using handle = ProcessHandle.open(target);
      const armed = arming.arm(handle, { domain, fruitlessRounds: 1, signal: 'SIGKILL' }, { expiresInMs: 500 });
      chosen.add(name(target));
      const end = performance.now() + 300;
      while (armed.isArmed && performance.now() < end && !done) await sleep(20);
      armed.disarm();
    } catch (error) {
      if (!(error instanceof OomscopeError && ['PROCESS_GONE', 'USAGE'].includes(error.code))) throw error;
    }
  }
}

async function runOut(): Promise<void> {
  while (!done) {
    await startHog(group, ['--max', String(64 * MIB)]).ended;
    await sleep(500);
  }
}

await Promise.all([...Array.from({ length: HANDS }, byHand), byArming(), runOut()]);
await sleep(200);
arming.close();
group.remove();
const wrong = killed.filter((line) => !chosen.has(line.split(' ').slice(0, 2).join(' ')));
const result: Reuse = {
  processes: count,
  backend: arming.backend,
  chosen: chosen.size,
  signalled,
  fired,
  reused,
  killed: killed.length,
  wrong,
  seconds: Math.round((performance.now() - begin) / 100) / 10,
};
console.log(JSON.stringify(result));
process.exitCode = wrong.length > 0 ? 1 : 0;
