/** Runs one workload in a cgroup, and records what oomscope tells of it and what PSI says. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { setPriority } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createMemoryGroup, type MemoryGroup } from '../../../src/demo/memory-group.ts';
import { EnvelopeFactory } from '../../../src/events/envelope.ts';
import { Cgroupfs } from '../../../src/linux/cgroupfs.ts';
import { cgroupMounts } from '../../../src/linux/memory-hierarchy.ts';
import { parsePressure, parseStallTotals } from '../../../src/linux/psi.ts';
import { readSmallFile } from '../../../src/linux/small-file.ts';
import { Survey } from '../../../src/memory/survey.ts';
import { defaultLevels, UsageLevelTracker } from '../../../src/memory/usage.ts';
import type { PressureLevelName, PressureSubject } from '../../../src/model/pressure.ts';
import { PressureMonitor } from '../../../src/pressure/monitor.ts';
import { openShortageWatch } from '../../../src/pressure/shortage-watch.ts';
import { startPsiNotify } from './psi-notify.ts';
import { type Recorded, rules } from './rivals.ts';
import type { Workload } from './workloads.ts';

const SAMPLE_MS = 100;
/** Tasks stall: all of them for this share of two seconds. */
const STALLS = 0.5;

export interface Watched {
  name: string;
  what: string;
  healthy: boolean;
  seconds: number;
  /** When each page came, in seconds since the start: oomscope's profiles, and the rules of other programs. */
  pages: Record<string, number[]>;
  /** When the kernel killed the first process. null: it killed none. */
  killAt: number | null;
  /** When all tasks had begun to stall for half of the time. null: they never did. */
  stallsAt: number | null;
  /** Whether the pages of psi-notify are those of the program, and not of its rule. */
  real: boolean;
  /** The largest avg10 of `full`, in percent. */
  fullMost: number;
  /** The largest share of the limit that could not be reclaimed. */
  heldMost: number;
}

/**
 * @param mostSeconds how long the workload runs if the kernel does not kill it
 * @param psiNotify the path of the real psi-notify. undefined: its default rule is applied to the recorded series
 */
export async function watchWorkload(workload: Workload, mostSeconds: number, psiNotify?: string): Promise<Watched> {
  const { name, what, healthy, limitBytes, highBytes, guest } = workload;
  const disk = mkdtempSync('/var/tmp/oomscope-pages-');
  const tmpfs = join(disk, 'tmpfs');
  mkdirSync(tmpfs);
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1G', 'tmpfs', tmpfs]);
  const group = createMemoryGroup({ limitBytes, swap: guest ?? false });
  if (highBytes !== undefined) writeFileSync(join(group.path, 'memory.high'), String(highBytes));
  const twin = twinOf(group);
  const pages: Record<string, number[]> = { fast: [], default: [], calm: [] };
  const begin = performance.now();
  const seconds = () => Math.round((performance.now() - begin) / 10) / 100;
  const close = openWatches(group.cgroupPath, (profile) => pages[profile]?.push(seconds()));
  const real: number[] = [];
  const notifier =
    psiNotify === undefined
      ? undefined
      : startPsiNotify(psiNotify, `${twin[0] ?? group.path}/memory.pressure`, () => real.push(seconds()));
  const children = workload
    .commands({ group: group.path, disk, tmpfs })
    .map((command) => start(command, [group.path, ...twin]));
  try {
    const { series, killAt, stallsAt } = await record(group, {
      twin,
      limitBytes: highBytes ?? limitBytes,
      mostSeconds,
      seconds,
    });
    for (const [rival, rule] of Object.entries(rules)) pages[rival] = rule(series);
    if (notifier) pages['psi-notify'] = real;
    const most = (of: (at: Recorded) => number) => series.reduce((so, at) => Math.max(so, of(at)), 0);
    const [fullMost, heldMost] = [most(({ full }) => full), most(({ held }) => held)];
    return {
      name,
      what,
      healthy,
      seconds: seconds(),
      pages,
      killAt,
      stallsAt,
      fullMost,
      heldMost,
      real: notifier !== undefined,
    };
  } finally {
    close();
    if (notifier?.pid !== undefined) process.kill(-notifier.pid, 'SIGTERM');
    for (const child of children) child.kill('SIGKILL');
    group.remove();
    for (const directory of twin) rmdirSync(directory);
    execFileSync('umount', [tmpfs]);
    rmSync(disk, { recursive: true });
  }
}

/** On v1, the kernel measures PSI only in the hierarchy of v2, in a cgroup of the same path. */
function twinOf(group: MemoryGroup): string[] {
  const { memory, unified } = cgroupMounts();
  if (group.version === 2 || unified === undefined || memory === undefined) return [];
  const directory = `${unified}${group.path.slice(memory.length)}`;
  mkdirSync(directory, { recursive: true });
  return [directory];
}

/** Moves a shell into the cgroups, and replaces it by the command. */
function start(command: readonly string[], cgroups: readonly string[]): ChildProcess {
  const script = 'while [ "$1" != -- ]; do echo $$ > "$1/cgroup.procs"; shift; done; shift; exec "$@"';
  const child = spawn('sh', ['-c', script, 'sh', ...cgroups, '--', ...command], { stdio: 'ignore' });
  if (child.pid !== undefined) setPriority(child.pid, 10);
  return child;
}

interface HasLevel {
  subject: PressureSubject;
  level: PressureLevelName;
  previous: PressureLevelName;
}

/** Opens the watches of all profiles, side by side on one monitor. @returns what closes them */
function openWatches(path: string, onPage: (profile: 'fast' | 'default' | 'calm') => void): () => void {
  const envelopes = new EnvelopeFactory();
  const pageOf = (profile: 'fast' | 'default' | 'calm') => (event: HasLevel) => {
    if (event.subject.path === path && event.level === 'critical') onPage(profile);
  };
  const onError = (error: unknown) => {
    throw error;
  };
  const monitor = new PressureMonitor({ stallMs: null, countdown: null, cgroups: [path] });
  monitor.pressure$.subscribe(pageOf('fast'));
  const survey = new Survey({ cgroups: Cgroupfs.find() });
  const wants = (each: string) => each === path;
  const usage = new UsageLevelTracker({ survey, levels: defaultLevels, envelopes, wants, emit: pageOf('fast') });
  const timer = setInterval(() => usage.update(survey.sample()), 1000);
  const watches = (['default', 'calm'] as const).map((profile) =>
    openShortageWatch(profile, monitor, { envelopes, wants, emit: pageOf(profile), onError }),
  );
  return () => {
    clearInterval(timer);
    for (const watch of watches) watch?.close();
    survey.close();
    monitor.close();
  };
}

async function record(
  group: MemoryGroup,
  of: { twin: string[]; limitBytes: number; mostSeconds: number; seconds: () => number },
): Promise<{ series: Recorded[]; killAt: number | null; stallsAt: number | null }> {
  using cgroup = Cgroupfs.find()?.open(group.cgroupPath);
  const file = `${of.twin[0] ?? group.path}/memory.pressure`;
  const series: Recorded[] = [];
  const fullUs: number[] = [];
  const perTwoSeconds = 2000 / SAMPLE_MS;
  let stallsAt: number | null = null;
  for (let at = of.seconds(); at < of.mostSeconds; at = of.seconds()) {
    const pressure = parsePressure(readSmallFile(file));
    const usage = cgroup?.usage() ?? 0;
    const held = (usage - (cgroup?.memory()?.reclaimableBytes ?? 0)) / of.limitBytes;
    series.push({ at, some: pressure?.some.avg10 ?? 0, full: pressure?.full.avg10 ?? 0, held });
    fullUs.push(parseStallTotals(readSmallFile(file))?.fullUs ?? 0);
    const before = fullUs.at(-1 - perTwoSeconds);
    if (stallsAt === null && before !== undefined && ((fullUs.at(-1) ?? 0) - before) / 2e6 >= STALLS) stallsAt = at - 2;
    if (group.events().oom_kill > 0) return { series, killAt: at, stallsAt };
    await sleep(SAMPLE_MS);
  }
  return { series, killAt: null, stallsAt };
}
