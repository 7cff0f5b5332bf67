/** Makes real OOM kills for the kernel tests, each in its own memory cgroup. */
import { spawn } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { join } from 'node:path';
import { createMemoryGroup, type MemoryGroup, removeMemoryGroups } from '../../src/demo/memory-group.ts';

export { createMemoryGroup, type MemoryGroup, removeMemoryGroups };

export const MIB = 2 ** 20;
/** Exit code of build/hog when it has touched all of --max and was not killed. */
export const SURVIVED = 3;

const HOG = join(import.meta.dirname, '..', '..', 'build', 'hog');
const LIMIT_BYTES = 64 * MIB;

/** How one hog ended: `signal` or `code` is null. */
export interface HogEnd {
  pid: number;
  signal: NodeJS.Signals | null;
  code: number | null;
  stderr: string;
}

export interface Hog {
  pid: number;
  /** Resolves when the hog has printed "ready" (--hold, --dying); rejects when the hog ends before that. */
  ready: Promise<void>;
  /** Never rejects. */
  ended: Promise<HogEnd>;
  kill(signal?: NodeJS.Signals): void;
}

export interface OomKillOptions {
  /** The cgroup in which the hog runs; by default a new one. */
  group?: MemoryGroup;
  /** Limit of a new group: 64 MiB by default. */
  limitBytes?: number;
  /** Options of build/hog. */
  args?: readonly string[];
}

export interface OomStormOptions extends OomKillOptions {
  /** Number of simultaneous hogs; by default 4. */
  parallel?: number;
}

/** The group outlives the kill, so that a tracer can look at it: end each test with removeMemoryGroups(). */
export interface OomKill extends HogEnd {
  group: MemoryGroup;
  signal: 'SIGKILL';
}

/** Runs one hog until the kernel kills it. Rejects when it ends in any other way. */
export async function oomKill(options: OomKillOptions = {}): Promise<OomKill> {
  const group = options.group ?? createMemoryGroup({ limitBytes: options.limitBytes ?? LIMIT_BYTES });
  const killsBefore = group.events().oom_kill;
  const end = expectKilled(await startHog(group, options.args).ended);
  const kills = group.events().oom_kill - killsBefore;
  if (kills < 1) throw new Error(`expected ${group.cgroupPath} to count an OOM kill, and it did not: ${describe(end)}`);
  return { ...end, group };
}

/**
 * Makes `count` kills, `parallel` at a time, each in its own group. Returns them in the order in which they were
 * started.
 */
export async function oomStorm(count: number, options: OomStormOptions = {}): Promise<OomKill[]> {
  const { parallel = 4, ...each } = options;
  const kills = new Array<OomKill>(count);
  let next = 0;
  const worker = async () => {
    for (let number = next++; number < count; number = next++) kills[number] = await oomKill(each);
  };
  await Promise.all(Array.from({ length: parallel }, worker));
  return kills;
}

/**
 * A victim that sleeps and a trigger that allocates, in one group: the victim holds three quarters of the limit, so it
 * is killed when the trigger reaches the last quarter. The trigger stops at three eighths and survives, but not always
 * when the victim has more than one task (--threads, --share): the OOM killer then may not see that the memory is on
 * its way, and kills the trigger too.
 */
export async function killByAnother(
  options: { limitBytes?: number; victimArgs?: readonly string[]; triggerArgs?: readonly string[] } = {},
): Promise<{ group: MemoryGroup; victim: OomKill; trigger: HogEnd }> {
  const limitBytes = options.limitBytes ?? LIMIT_BYTES;
  const group = createMemoryGroup({ limitBytes });
  const holder = startHog(group, ['--hold', String((limitBytes * 3) / 4), ...(options.victimArgs ?? [])]);
  await holder.ready;
  const hog = startHog(group, ['--max', String((limitBytes * 3) / 8), ...(options.triggerArgs ?? [])]);
  const [victim, trigger] = await Promise.all([holder.ended, hog.ended]);
  return { group, victim: { ...expectKilled(victim), group }, trigger };
}

/** Makes a kill in a group without a limit, below a group whose limit is hit. */
export async function killBeneathLimit(
  options: OomKillOptions = {},
): Promise<{ limited: MemoryGroup; group: MemoryGroup; victim: OomKill }> {
  const limited = options.group ?? createMemoryGroup({ limitBytes: options.limitBytes ?? LIMIT_BYTES });
  const group = limited.child('beneath');
  const victim = await oomKill({ group, args: options.args ?? [] });
  return { limited, group, victim };
}

/**
 * Makes the kernel mark a process that is already exiting, without a kill: the child of a hog, which is stopped in the
 * middle of its exit while it holds three quarters of the limit. The hog itself survives.
 */
export async function markDying(options: { limitBytes?: number } = {}): Promise<{ group: MemoryGroup; hog: HogEnd }> {
  const limitBytes = options.limitBytes ?? LIMIT_BYTES;
  const group = createMemoryGroup({ limitBytes });
  const max = (limitBytes * 3) / 4;
  const hog = await startHog(group, ['--dying', String(max), '--max', String(max)]).ended;
  if (hog.code !== SURVIVED) throw new Error(`expected the hog to survive: ${describe(hog)}`);
  return { group, hog };
}

/** Starts build/hog in a group; without a group only in a guest. The hog ends with the group, or with this process. */
export function startHog(group: MemoryGroup | undefined, args: readonly string[] = []): Hog {
  const where = group === undefined ? ['--guest'] : ['--cgroup', group.path];
  // The oom_score_adj of the parent may be lower, and the hog must not inherit it.
  const child = spawn(HOG, [...where, '--adj', '0', ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  const { pid } = child;
  if (pid === undefined) throw new Error(`cannot start ${HOG}: ${oomKillsUnavailable() ?? 'unknown reason'}`);
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  const ended = new Promise<HogEnd>((resolve) => {
    child.once('close', (code, signal) => resolve({ pid, signal, code, stderr: stderr.trimEnd() }));
  });
  const ready = new Promise<void>((resolve, reject) => {
    child.stdout.once('data', () => resolve());
    void ended.then((end) => reject(new Error(`expected the hog to say it is ready: ${describe(end)}`)));
  });
  ready.catch(() => {}); // without a waiting caller this is not an error
  return { pid, ready, ended, kill: (signal) => void child.kill(signal) };
}

/** Why no OOM kills can be made here, in one sentence; undefined when they can. For `describe.skipIf(…)`. */
export function oomKillsUnavailable(): string | undefined {
  if (process.geteuid?.() !== 0) return 'needs root, to make memory cgroups';
  try {
    accessSync(HOG, constants.X_OK);
    createMemoryGroup({ limitBytes: LIMIT_BYTES }).remove();
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

function expectKilled(end: HogEnd): HogEnd & { signal: 'SIGKILL' } {
  const { signal } = end;
  if (signal !== 'SIGKILL') throw new Error(`expected the hog to be killed: ${describe(end)}`);
  return { ...end, signal };
}

function describe({ pid, signal, code, stderr }: HogEnd): string {
  return `process ${pid} ended with ${signal ?? `code ${code}`}${stderr && `, saying "${stderr}"`}`;
}
