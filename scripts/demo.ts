/** Makes a real OOM kill in a memory cgroup of its own, for a tracer to report. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { accessSync, constants } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { createMemoryGroup, type MemoryGroup, MemoryGroupUnavailable } from './memory-cgroup.ts';

const USAGE = `usage: npm run demo -- [--limit SIZE]

Makes a small memory cgroup, lets one process fill it until the kernel's OOM killer ends it, and removes the cgroup.
Nothing outside that cgroup can run out of memory. Needs root.

  --limit SIZE  the cgroup's memory limit, from 4M to 1G (64M)
  --help

Exits 0 when the kernel OOM-killed the process, 1 when it did not, 2 for a bad option, 77 when it cannot try.
`;
const MIB = 2 ** 20;
const MIN_LIMIT_MIB = 4;
const MAX_LIMIT_MIB = 1024;
const TIMEOUT_MS = 30_000;
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
  const limitMib = readOptions();
  if (limitMib === undefined) return 0;
  const group = makeGroup(limitMib);
  // The group is removed by an exit hook, which a default signal handler would not run.
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
  try {
    return await runHog(group, limitMib);
  } finally {
    group.remove();
    say('removed the cgroup');
  }
}

async function runHog(group: MemoryGroup, limitMib: number): Promise<number> {
  const place = `${group.cgroupPath} (cgroup v${group.version})`;
  say(`made the memory cgroup ${place} with a limit of ${limitMib} MiB`);
  const before = group.events().oom_kill;
  const startMs = performance.now();
  const hog = spawn(HOG, ['--cgroup', group.path, '--max', `${2 * limitMib}M`], {
    stdio: ['ignore', 'ignore', 'inherit'],
    timeout: TIMEOUT_MS,
    killSignal: 'SIGTERM',
  });
  hog.once('spawn', () => say(`started process ${hog.pid}, which takes memory until something stops it`));
  const [code, signal] = (await once(hog, 'exit')) as [number | null, NodeJS.Signals | null];
  const ms = Math.round(performance.now() - startMs);
  const kills = group.events().oom_kill - before;

  say(`process ${hog.pid} ${signal ? `was killed by ${signal}` : `exited with code ${code}`} after ${ms} ms`);
  say(`the cgroup has counted ${kills} OOM ${kills === 1 ? 'kill' : 'kills'}`);
  if (signal !== 'SIGKILL' || kills < 1) {
    say('expected an OOM kill, and there was none');
    return 1;
  }
  process.stdout.write(`OOM-killed: process ${hog.pid} (hog) in ${group.cgroupPath}, limit ${limitMib} MiB\n`);
  return 0;
}

function makeGroup(limitMib: number): MemoryGroup {
  if (process.geteuid?.() !== 0) throw new Refusal(77, 'needs root: it makes a memory cgroup');
  try {
    accessSync(HOG, constants.X_OK);
  } catch {
    throw new Refusal(1, `expected a program at ${HOG}: build it with npm run setup`);
  }
  try {
    return createMemoryGroup({ limitBytes: limitMib * MIB, name: `oomscope-demo-${process.pid}` });
  } catch (error) {
    if (error instanceof MemoryGroupUnavailable) throw new Refusal(77, error.message);
    throw error;
  }
}

/** The limit in MiB, or undefined when only help was asked for. */
function readOptions(): number | undefined {
  const options = { limit: { type: 'string', default: '64M' }, help: { type: 'boolean' } } as const;
  let values: { limit: string; help?: boolean | undefined };
  try {
    ({ values } = parseArgs({ options }));
  } catch (error) {
    throw new Refusal(2, `${(error as Error).message.split('.')[0]}: see --help`);
  }
  if (values.help) {
    process.stdout.write(USAGE);
    return undefined;
  }
  const [, digits = '', unit = ''] = /^(\d+)([MG])$/.exec(values.limit) ?? [];
  const limitMib = Number(digits) * (unit === 'G' ? 1024 : 1);
  if (limitMib >= MIN_LIMIT_MIB && limitMib <= MAX_LIMIT_MIB) return limitMib;
  throw new Refusal(2, `--limit: expected a size from ${MIN_LIMIT_MIB}M to 1G, such as 64M, got "${values.limit}"`);
}

function say(sentence: string): void {
  process.stderr.write(`demo: ${sentence}\n`);
}
