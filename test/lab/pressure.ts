/**
 * Puts cgroups under pressure from every cause that is possible here, and compares the monitor's totals with the kernel's PSI.
 * Prints one JSON line:
 *
 *   node test/lab/pressure.ts [--backend BACKEND] [--seconds N]
 */
import { spawn } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import type { PressureBackend } from '../../src/bpf/load/pressure-variants.ts';
import { skippedRuns } from '../../src/bpf/load/skipped-runs.ts';
import type { HookState } from '../../src/model/events.ts';
import type { PressureLevelName, StallNs } from '../../src/model/pressure.ts';
import { openPressure, type PressureTotals } from '../../src/pressure/monitor.ts';

/** Our totals and those of PSI for one cgroup or the system, in milliseconds. */
export interface Compared {
  path: string;
  some_ms: number;
  psi_some_ms: number;
  full_ms: number | null;
  psi_full_ms: number;
  stalls: number;
  stall_ns: StallNs;
}

export interface PressureRun {
  hooks: HookState[];
  compared: Compared[];
  levels: PressureLevelName[];
  /** Number of episodes without an event that ends them. */
  open_episodes: number;
  stalls_told: number;
  /** Number of runs of our BPF programs that the kernel skipped. */
  skipped_runs: number;
  lost: Record<string, number>;
}

const MIB = 2 ** 20;
const ROOT = '/sys/fs/cgroup/pressure';
const THRASH = join(import.meta.dirname, '..', '..', 'build', 'thrash');

/** A size a little above the free memory, so that the kernel reclaims, and far below the free swap. */
function beyondFree(): string {
  const free = Number(/^MemAvailable:\s+(\d+) kB/m.exec(readFileSync('/proc/meminfo', 'utf8'))?.[1]);
  return `${Math.round(free / 1024) + 64}M`;
}

/** Children of ROOT: their settings, and the processes that run in each. */
const parts: { name: string; files: Record<string, string>; args: () => string[][] }[] = [
  { name: 'limit', files: { 'memory.max': `${24 * MIB}` }, args: () => [['--file', '48M']] },
  { name: 'high', files: { 'memory.high': `${24 * MIB}` }, args: () => [['--anon', '40M', '--random']] },
  {
    name: 'swap',
    files: { 'memory.max': `${24 * MIB}` },
    args: () => [['--anon', '40M', '--random', '--threads', '2']],
  },
  {
    name: 'refault',
    files: { 'memory.max': `${24 * MIB}` },
    args: () => [['--file', '32M', '--random', '--threads', '2']],
  },
  { name: 'direct', files: { 'memory.max': `${4096 * MIB}` }, args: () => [['--anon', beyondFree(), '--random']] },
  {
    name: 'mixed',
    files: { 'memory.high': `${40 * MIB}`, 'memory.max': `${48 * MIB}` },
    args: () => [
      ['--anon', '48M', '--random'],
      ['--file', '32M', '--pause', '2000', '--work', '512'],
    ],
  },
];

const psi = (file: string) => {
  const [some = 0, full = 0] = [...readFileSync(file, 'utf8').matchAll(/total=(\d+)/g)].map(
    ([, us]) => Number(us) / 1e3,
  );
  return { some, full };
};
/**
 * Reads PSI's totals after a period of PSI without a stalled task, so that neither side has counted a part of a stall.
 */
async function atRest(): Promise<Map<string, { some: number; full: number }>> {
  for (const path of paths) psi(psiFile(path));
  await sleep(2600);
  for (const path of paths) psi(psiFile(path));
  return new Map(paths.map((path) => [path, psi(psiFile(path))]));
}
const psiFile = (path: string) => (path === '/' ? '/proc/pressure/memory' : `/sys/fs/cgroup${path}/memory.pressure`);

const { values } = parseArgs({ options: { backend: { type: 'string' }, seconds: { type: 'string', default: '16' } } });
const each = Number(values.seconds) / parts.length;
const paths = ['/', '/pressure', ...parts.map(({ name }) => `/pressure/${name}`)];

mkdirSync(ROOT, { recursive: true });
writeFileSync(`${ROOT}/cgroup.subtree_control`, '+memory');
for (const { name, files } of parts) {
  mkdirSync(`${ROOT}/${name}`, { recursive: true });
  for (const [file, value] of Object.entries(files)) writeFileSync(`${ROOT}/${name}/${file}`, value);
}
const monitor = await openPressure({
  stallMs: 5,
  ...(values.backend !== undefined && { backend: values.backend as PressureBackend }),
});
const levels = new Set<PressureLevelName>();
const open = new Set<string>();
let told = 0;
monitor.pressure$.subscribe(({ level, episode }) => {
  levels.add(level);
  if (level === 'normal') open.delete(episode);
  else open.add(episode);
});
monitor.stalls$.subscribe(() => told++);
const before = await atRest();
const ownBefore = new Map(monitor.totals().map((totals) => [totals.subject.path, totals]));
for (const { name, args } of parts) {
  const children = args().map((options) => {
    const words = ['--cgroup', `${ROOT}/${name}`, '--seconds', String(each), ...options];
    return spawn(THRASH, words, { stdio: ['ignore', 'ignore', 'inherit'] });
  });
  await Promise.all(children.map((child) => new Promise((resolve) => child.once('exit', resolve))));
}
const after = await atRest();
const ours = new Map(monitor.totals().map((totals) => [totals.subject.path, totals]));
const compared = paths.map((path): Compared => {
  const { some, full } = after.get(path) ?? { some: 0, full: 0 };
  const was = before.get(path) ?? { some: 0, full: 0 };
  const own = ours.get(path) as PressureTotals | undefined;
  const ownWas = ownBefore.get(path);
  return {
    path,
    some_ms: ((own?.some_ns ?? 0) - (ownWas?.some_ns ?? 0)) / 1e6,
    psi_some_ms: some - was.some,
    full_ms: own?.full_ns == null ? null : (own.full_ns - (ownWas?.full_ns ?? 0)) / 1e6,
    psi_full_ms: full - was.full,
    stalls: own?.stalls ?? 0,
    stall_ns: own?.stall_ns ?? ({} as StallNs),
  };
});
const run: PressureRun = {
  hooks: monitor.started.hooks,
  compared,
  levels: [...levels],
  open_episodes: open.size,
  stalls_told: told,
  skipped_runs: readdirSync('/proc/self/fd').reduce((sum, fd) => sum + skippedRuns(fd), 0),
  lost: monitor.lostSoFar(),
};
for (const { name } of parts) rmdirSync(`${ROOT}/${name}`);
rmdirSync(ROOT);
monitor.close();
console.log(JSON.stringify(run));
