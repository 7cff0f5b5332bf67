/** The scenes of the demo. Each makes a memory cgroup, runs processes in the cgroup, and removes the cgroup. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { accessSync, constants, copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createMemoryGroup, type MemoryGroup, MemoryGroupUnavailable } from '../../../demo/memory-group.ts';
import { memoryHierarchy } from '../../../linux/memory-hierarchy.ts';
import { OomscopeError } from '../../../model/error.ts';
import { nativeFile, reinstallRemedy } from '../../../native/files.ts';
import { formatBytes } from '../../../text/format.ts';
import { Exit } from '../../verb/exit.ts';
import { writeLine } from '../../verb/tell.ts';

const MIB = 2 ** 20;
const SLOW_LIMIT_MIB = 128;
/** No process of the demo lives longer, whatever happens to this one. */
const TIMEOUT_MS = 90_000;
const PROGRESS_MS = 5000;

/** One process takes memory as fast as it can. @returns the exit code */
export function runFast(limitBytes: number): Promise<number> {
  return inGroup(limitBytes, undefined, async (group) => {
    const hog = start(group, nativeFile('hog'), '--max', String(2 * limitBytes));
    say(`started process ${hog.pid}, which takes memory until something stops it`);
    await once(hog, 'exit');
    return reportKill(hog, 'hog', group, limitBytes);
  });
}

/** A large innocent process, and a small one that grows. @returns the exit code */
export function runSlow(): Promise<number> {
  const limitBytes = SLOW_LIMIT_MIB * MIB;
  return inGroup(limitBytes, 'shop', async (group) => {
    const programs = mkdtempSync(join(tmpdir(), 'shop-'));
    process.once('exit', () => rmSync(programs, { recursive: true }));
    const startNamed = (name: string, ...words: string[]) => {
      const program = join(programs, name);
      copyFileSync(nativeFile('hog'), program);
      return start(group, program, ...words);
    };
    const postgres = startNamed('postgres', '--hold', '72M');
    if (postgres.stdout) await once(postgres.stdout, 'data');
    say(`started process ${postgres.pid} (postgres), which holds 72 MiB`);
    const cacheBuilder = startNamed('cache-builder', '--max', '80M', '--rate', '2M');
    say(`started process ${cacheBuilder.pid} (cache-builder), which grows by 2 MiB a second`);
    await Promise.race([once(postgres, 'exit'), once(cacheBuilder, 'exit')]);
    if (ended(postgres)) return reportKill(postgres, 'postgres', group, limitBytes);
    return reportOther(cacheBuilder, 'cache-builder');
  });
}

/** One process grows at a rate until a time is over. @returns the exit code */
export function runMemload(limitBytes: number, bytesPerSecond: number, durationMs: number): Promise<number> {
  return inGroup(limitBytes, undefined, async (group) => {
    const words = ['--max', String(2 * limitBytes), '--rate', String(bytesPerSecond)];
    const load = start(group, nativeFile('hog'), ...words, ...['--comm', 'memload']);
    say(`started process ${load.pid} (memload), which grows by ${formatBytes(bytesPerSecond)} a second`);
    const exit = once(load, 'exit');
    const end = performance.now() + durationMs;
    while (!ended(load) && performance.now() < end) {
      await Promise.race([exit, sleep(Math.min(PROGRESS_MS, end - performance.now()))]);
      if (!ended(load)) say(`the cgroup uses ${formatBytes(group.usage())} of ${formatBytes(limitBytes)}`);
    }
    if (!ended(load)) {
      load.kill('SIGTERM');
      await exit;
      say('the time is over: ended the process');
      return Exit.ok;
    }
    return group.events().oom_kill > 0 ? reportKill(load, 'memload', group, limitBytes) : reportOther(load, 'memload');
  });
}

const ended = ({ exitCode, signalCode }: ChildProcess) => exitCode !== null || signalCode !== null;

async function inGroup(
  limitBytes: number,
  name: string | undefined,
  scene: (group: MemoryGroup) => Promise<number>,
): Promise<number> {
  const group = makeGroup(limitBytes, name);
  // An exit hook removes the cgroup. The default action of a signal would end the process without running the hook.
  for (const [signal, code] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ] as const) {
    process.once(signal, () => {
      say(`stopped by ${signal}: removing the cgroup`);
      process.exit(code);
    });
  }
  say(`made the memory cgroup ${group.cgroupPath} (cgroup v${group.version}), limit ${formatBytes(limitBytes)}`);
  try {
    return await scene(group);
  } finally {
    group.remove();
    say('removed the cgroup');
  }
}

/** Starts a process in the group. Its name is the name of its program. */
function start(group: MemoryGroup, program: string, ...words: string[]): ChildProcess {
  return spawn(program, ['--cgroup', group.path, ...words], {
    argv0: program.split('/').at(-1),
    stdio: ['ignore', 'pipe', 'inherit'],
    timeout: TIMEOUT_MS,
    killSignal: 'SIGTERM',
  });
}

function reportKill(child: ChildProcess, name: string, group: MemoryGroup, limitBytes: number): number {
  const { pid, exitCode, signalCode } = child;
  const kills = group.events().oom_kill;
  say(`process ${pid} ${signalCode ? `was killed by ${signalCode}` : `exited with code ${exitCode}`}`);
  say(`the cgroup has counted ${kills} OOM ${kills === 1 ? 'kill' : 'kills'}`);
  if (signalCode !== 'SIGKILL' || kills < 1) {
    say(withoutKill(child));
    return Exit.failed;
  }
  process.stdout.write(
    `OOM-killed: process ${pid} (${name}) in ${group.cgroupPath}, limit ${formatBytes(limitBytes)}\n`,
  );
  return Exit.ok;
}

/** Why a process of a scene has ended without an OOM kill. Node notes in `killed` that the demo itself has sent a signal. */
export function withoutKill({ pid, signalCode, killed }: Pick<ChildProcess, 'pid' | 'signalCode' | 'killed'>): string {
  if (killed) return `no OOM kill came within ${TIMEOUT_MS / 1000} s, so the demo ended process ${pid} itself`;
  const before = signalCode === null ? '' : `: another process, such as a guard, ended process ${pid} first`;
  return `expected an OOM kill, and there was none${before}`;
}

function reportOther(child: ChildProcess, name: string): number {
  const { pid, exitCode, signalCode } = child;
  if (child.killed) {
    say(withoutKill(child));
    return Exit.failed;
  }
  if (signalCode === null) {
    say(`process ${pid} (${name}) exited with code ${exitCode}, though nothing ended the process`);
    return Exit.failed;
  }
  process.stdout.write(`Ended in time: process ${pid} (${name}), by ${signalCode}\n`);
  return Exit.ok;
}

function makeGroup(limitBytes: number, name: string | undefined): MemoryGroup {
  if (process.geteuid?.() !== 0)
    throw new OomscopeError('NOT_PERMITTED', 'The demo makes a memory cgroup: run it as root.');
  try {
    accessSync(nativeFile('hog'), constants.X_OK);
  } catch (cause) {
    throw new OomscopeError('OBJECT_MISSING', `${nativeFile('hog')} is missing: ${reinstallRemedy()}.`, { cause });
  }
  const root = memoryHierarchy()?.mount;
  const place = name === undefined ? { name: `oomscope-demo-${process.pid}` } : { name, ...(root && { parent: root }) };
  try {
    return createMemoryGroup({ limitBytes, ...place });
  } catch (error) {
    if (error instanceof MemoryGroupUnavailable) throw new OomscopeError('NOT_PERMITTED', `${capital(error.message)}.`);
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    const advice = 'wait for the other demo, or remove the cgroup with rmdir';
    throw new OomscopeError('USAGE', `There is a cgroup "${place.name}" already: ${advice}.`);
  }
}

const capital = (text: string) => `${text.slice(0, 1).toUpperCase()}${text.slice(1)}`;

function say(sentence: string): void {
  writeLine(`demo: ${sentence}`);
}
