/**
 * Puts cgroups under pressure, of every cause that is possible here, and holds what the monitor counted against the
 * kernel's own PSI. Prints one JSON line:
 *
 *   node test/lab/pressure.ts [--backend BACKEND] [--seconds N]
 */
import { spawn } from 'node:child_process';
import { mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import type { PressureBackend } from '../../src/kernel/pressure-variants.ts';
import type { HookState } from '../../src/model/events.ts';
import type { PressureLevelName, StallNs } from '../../src/model/pressure.ts';
import { openPressure, type PressureTotals } from '../../src/sources/pressure.ts';

/** One subject: our totals beside PSI's, in milliseconds. */
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
  /** Levels that were not closed. */
  open_episodes: number;
  stalls_told: number;
  lost: Record<string, number>;
}

const MIB = 2 ** 20;
const ROOT = '/sys/fs/cgroup/pressure';
const THRASH = join(import.meta.dirname, '..', '..', 'build', 'thrash');

/** Children of ROOT, with what they suffer from. */
const parts: { name: string; files: Record<string, string>; args: string[] }[] = [
  { name: 'limit', files: { 'memory.max': `${24 * MIB}` }, args: ['--file', '48M'] },
  { name: 'high', files: { 'memory.high': `${24 * MIB}` }, args: ['--anon', '40M', '--random'] },
  { name: 'swap', files: { 'memory.max': `${24 * MIB}` }, args: ['--anon', '40M', '--random', '--threads', '2'] },
  { name: 'refault', files: { 'memory.max': `${24 * MIB}` }, args: ['--file', '32M', '--random', '--threads', '2'] },
];

const psi = (file: string) => {
  const [some = 0, full = 0] = [...readFileSync(file, 'utf8').matchAll(/total=(\d+)/g)].map(
    ([, us]) => Number(us) / 1e3,
  );
  return { some, full };
};
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
const before = new Map(paths.map((path) => [path, psi(psiFile(path))]));
for (const { name, args } of parts) {
  const words = ['--cgroup', `${ROOT}/${name}`, '--seconds', String(each), ...args];
  const child = spawn(THRASH, words, { stdio: ['ignore', 'ignore', 'inherit'] });
  await new Promise((resolve) => child.once('exit', resolve));
}
await sleep(3000); // PSI adds up every 2 s
const ours = new Map(monitor.totals().map((totals) => [totals.subject.path, totals]));
const compared = paths.map((path): Compared => {
  const { some, full } = psi(psiFile(path));
  const was = before.get(path) ?? { some: 0, full: 0 };
  const own = ours.get(path) as PressureTotals | undefined;
  return {
    path,
    some_ms: (own?.some_ns ?? 0) / 1e6,
    psi_some_ms: some - was.some,
    full_ms: own?.full_ns == null ? null : own.full_ns / 1e6,
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
  lost: monitor.lostSoFar(),
};
for (const { name } of parts) rmdirSync(`${ROOT}/${name}`);
rmdirSync(ROOT);
monitor.close();
console.log(JSON.stringify(run));
