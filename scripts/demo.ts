/** Makes a real OOM kill in a new memory cgroup, so that a tracer has a kill to report. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { accessSync, constants, copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { memoryHierarchy } from '../src/linux/memory-hierarchy.ts';
import { createMemoryGroup, type MemoryGroup, MemoryGroupUnavailable } from './memory-cgroup.ts';

const USAGE = `usage: npm run demo -- [--limit SIZE | --slow]

Makes a small memory cgroup, lets a process fill it until the kernel's OOM killer kills the process, and removes the cgroup.
Nothing outside that cgroup can run out of memory. Needs root.

  --limit SIZE  the cgroup's memory limit, from 4M to 1G (64M)
  --slow        takes half a minute: in the cgroup /shop, with a limit of 128 MiB, "postgres" holds 72 MiB and
                "cache-builder" grows by 2 MiB/s, until the kernel kills the larger one, postgres, or until another
                program (\`oomscope guard\`) ends cache-builder
  --help

Exits 0 when the kernel OOM-killed a process or another program was faster, 1 when neither happened, 2 for a bad
option, 77 when it cannot try.
`;
const MIB = 2 ** 20;
const MIN_LIMIT_MIB = 4;
const MAX_LIMIT_MIB = 1024;
const SLOW_LIMIT_MIB = 128;
const TIMEOUT_MS = 90_000;
const HOG = join(import.meta.dirname, '..', 'build', 'hog');

class Refusal extends Error {
  readonly exitCode: number;
  constructor(exitCode: number, message: string) {
    super(message);
    this.exitCode = exitCode;
  }
}

try {
  process.exitCode = await main();
} catch (error) {
  if (!(error instanceof Refusal)) throw error;
  say(error.message);
  process.exitCode = error.exitCode;
}

async function main(): Promise<number> {
  const options = readOptions();
  if (options === undefined) return 0;
  const { limitMib, slow } = options;
  const group = makeGroup(limitMib, slow);
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
  say(`made the memory cgroup ${group.cgroupPath} (cgroup v${group.version}) with a limit of ${limitMib} MiB`);
  try {
    return await (slow ? runSlow(group) : runFast(group, limitMib));
  } finally {
    group.remove();
    say('removed the cgroup');
  }
}

async function runFast(group: MemoryGroup, limitMib: number): Promise<number> {
  const hog = start(group, HOG, '--max', `${2 * limitMib}M`);
  say(`started process ${hog.pid}, which takes memory until something stops it`);
  await once(hog, 'exit');
  return reportKill(hog, 'hog', group, limitMib);
}

async function runSlow(group: MemoryGroup): Promise<number> {
  const programs = mkdtempSync(join(tmpdir(), 'shop-'));
  process.once('exit', () => rmSync(programs, { recursive: true }));
  const startNamed = (name: string, ...words: string[]) => {
    const program = join(programs, name);
    copyFileSync(HOG, program);
    return start(group, program, ...words);
  };
  const postgres = startNamed('postgres', '--hold', '72M');
  if (postgres.stdout) await once(postgres.stdout, 'data');
  say(`started process ${postgres.pid} (postgres), which holds 72 MiB`);
  const cacheBuilder = startNamed('cache-builder', '--max', '80M', '--rate', '2M');
  say(`started process ${cacheBuilder.pid} (cache-builder), which grows by 2 MiB a second`);
  await Promise.race([once(postgres, 'exit'), once(cacheBuilder, 'exit')]);
  if (postgres.signalCode !== null || postgres.exitCode !== null)
    return reportKill(postgres, 'postgres', group, SLOW_LIMIT_MIB);
  process.stdout.write(`Ended in time: process ${cacheBuilder.pid} (cache-builder), by ${cacheBuilder.signalCode}\n`);
  return cacheBuilder.signalCode === null ? 1 : 0;
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

/** @returns 0 when the kernel OOM-killed the process, 1 when it ended otherwise */
function reportKill(
  { pid, exitCode, signalCode }: ChildProcess,
  name: string,
  group: MemoryGroup,
  limitMib: number,
): number {
  const kills = group.events().oom_kill;
  say(`process ${pid} ${signalCode ? `was killed by ${signalCode}` : `exited with code ${exitCode}`}`);
  say(`the cgroup has counted ${kills} OOM ${kills === 1 ? 'kill' : 'kills'}`);
  if (signalCode !== 'SIGKILL' || kills < 1) {
    say('expected an OOM kill, and there was none');
    return 1;
  }
  process.stdout.write(`OOM-killed: process ${pid} (${name}) in ${group.cgroupPath}, limit ${limitMib} MiB\n`);
  return 0;
}

function makeGroup(limitMib: number, slow: boolean): MemoryGroup {
  if (process.geteuid?.() !== 0) throw new Refusal(77, 'needs root: it makes a memory cgroup');
  try {
    accessSync(HOG, constants.X_OK);
  } catch {
    throw new Refusal(1, `expected a program at ${HOG}: build it with npm run setup`);
  }
  const root = memoryHierarchy()?.mount;
  const place = slow ? { name: 'shop', ...(root && { parent: root }) } : { name: `oomscope-demo-${process.pid}` };
  try {
    return createMemoryGroup({ limitBytes: limitMib * MIB, ...place });
  } catch (error) {
    if (error instanceof MemoryGroupUnavailable) throw new Refusal(77, error.message);
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    throw new Refusal(1, `there is a cgroup "${place.name}" already: wait for the other demo, or remove it with rmdir`);
  }
}

/** The limit in MiB and the scene, or undefined when only help was asked for. */
function readOptions(): { limitMib: number; slow: boolean } | undefined {
  const options = { limit: { type: 'string' }, slow: { type: 'boolean' }, help: { type: 'boolean' } } as const;
  let values: { limit?: string | undefined; slow?: boolean | undefined; help?: boolean | undefined };
  try {
    ({ values } = parseArgs({ options }));
  } catch (error) {
    throw new Refusal(2, `${(error as Error).message.split('.')[0]}: see --help`);
  }
  const { limit = '64M', slow = false, help = false } = values;
  if (help) {
    process.stdout.write(USAGE);
    return undefined;
  }
  if (slow && values.limit !== undefined) throw new Refusal(2, '--limit and --slow: expected one of them, got both');
  if (slow) return { limitMib: SLOW_LIMIT_MIB, slow };
  const [, digits = '', unit = ''] = /^(\d+)([MG])$/.exec(limit) ?? [];
  const limitMib = Number(digits) * (unit === 'G' ? 1024 : 1);
  if (limitMib >= MIN_LIMIT_MIB && limitMib <= MAX_LIMIT_MIB) return { limitMib, slow };
  throw new Refusal(2, `--limit: expected a size from ${MIN_LIMIT_MIB}M to 1G, such as 64M, got "${limit}"`);
}

function say(sentence: string): void {
  process.stderr.write(`demo: ${sentence}\n`);
}
