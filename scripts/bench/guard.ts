/**
 * Measures the time from the fruitless reclaim that meets the condition to the signal, for each of the three ways to
 * send the signal. The kernel takes both times from the same clock: at the hook of the reclaim, and at the tracepoint
 * of the signal. The shortages are real, in memory cgroups, while other processes run out of memory all the time. The
 * three ways take turns in random order.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { statSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { type Arming, openArming } from '../../dist/guard/arming/arming.js';
import type { SignalSeen } from '../../dist/guard/arming/fired.js';
import { startTicksOf } from '../../dist/linux/process-reader.js';
import { ProcessHandle } from '../../dist/process/process-handle.js';
import { survive } from '../../dist/process/survival.js';
import { createMemoryGroup, type MemoryGroup } from '../../src/demo/memory-group.ts';
import { circumstances, inWords, type Summary, say, summarize, table, writeJson } from './report.ts';
import { built } from './rivals.ts';

const { values: options } = parseArgs({
  options: {
    rounds: { type: 'string', default: '200' },
    shortages: { type: 'string', default: '40' },
    pressure: { type: 'string', default: '1' },
    warm: { type: 'string', default: '5' },
    json: { type: 'string' },
  },
});
const MIB = 2 ** 20;
const LIMIT_BYTES = 64 * MIB;
const FRUITLESS_ROUNDS = 2;
const PATIENCE_MS = 2000;

const ways = {
  bpf: { label: 'in the kernel (bpf_send_signal_task)', goal: { rank: 'p99', us: 20 } },
  addon: { label: "the addon's poller thread (pidfd)", goal: { rank: 'p50', us: 200 } },
  typescript: { label: 'a handler in TypeScript (pidfd)', goal: { rank: 'p99', us: 2000 } },
} as const;
type Way = keyof typeof ways;

interface Column {
  arming: Arming;
  signals: SignalSeen[];
  us: number[];
  /** Time until the BPF program called bpf_send_signal_task(). */
  decidedUs: number[];
  /** How many times the kernel's OOM killer sent the signal first, and how many times no signal was sent. */
  late: number;
  missed: number;
  kernelKilled: number;
}

const where = circumstances();
// The guard also does this if it may, so that its thread does not wait for threads that need memory.
const { survived } = survive({ lockMemory: true, realtimePriority: 1 });
for (const [wish, refusal] of Object.entries(survived)) if (refusal !== null) say(`${wish}: ${refusal}`);
const columns: Partial<Record<Way, Column>> = {};
for (const way of Object.keys(ways) as Way[]) {
  try {
    const arming = openArming({ backend: way });
    const column: Column = { arming, signals: [], us: [], decidedUs: [], late: 0, missed: 0, kernelKilled: 0 };
    arming.signals$.subscribe((one) => column.signals.push(one));
    arming.fired$.subscribe(({ decidedNs, triggerNs }) => {
      if (decidedNs !== null) column.decidedUs.push(Number(decidedNs - triggerNs) / 1000);
    });
    columns[way] = column;
  } catch (error) {
    say(`${ways[way].label}: ${(error as Error).message}`);
  }
}
const present = Object.keys(columns) as Way[];
const group = createMemoryGroup({ limitBytes: LIMIT_BYTES, name: `oomscope-bench-${process.pid}` });
const crowd = createMemoryGroup({ limitBytes: LIMIT_BYTES, name: `oomscope-bench-${process.pid}-crowd` });
const domain = statSync(group.path, { bigint: true }).ino;
let over = false;

const rounds = Number(options.rounds);
const shortages = Number(options.shortages);
const pressed = Array.from({ length: Number(options.pressure) }, async () => {
  while (!over) await ended(hog(crowd, '--max', String(2 * LIMIT_BYTES)));
});
try {
  for (let round = -Number(options.warm); round < rounds; round++) {
    for (const way of shuffled(present)) await measure(columns[way] as Column, round >= 0);
    if (round % 20 === 0) say(`round ${round} of ${rounds}`);
  }
  for (let i = 0; i < shortages; i++) {
    for (const way of shuffled(present)) await runShort(columns[way] as Column);
    if (i % 20 === 0) say(`shortage ${i} of ${shortages}`);
  }
} finally {
  over = true;
  await Promise.all(pressed);
  for (const way of present) columns[way]?.arming.close();
  group.remove();
  crowd.remove();
}
where.load_after = circumstances().load_before;
report();

/** The target is a small sleeping process. So only the target and the hog end; the kernel kills the hog afterwards. */
async function measure(column: Column, counts: boolean): Promise<void> {
  const target = hog(group, '--hold', String(MIB));
  await once(target.stdout, 'data');
  using handle = open(target.pid as number);
  const condition = { domain, fruitlessRounds: FRUITLESS_ROUNDS, signal: 'SIGKILL' } as const;
  column.signals.length = 0;
  const armed = await arm(column, handle, condition, { expiresInMs: 10_000 });
  const gone = ended(target);
  await ended(hog(group, '--max', String(2 * LIMIT_BYTES)));
  await Promise.race([gone, sleep(PATIENCE_MS)]);
  await seen(column);
  armed.disarm();
  target.kill('SIGKILL');
  await gone;
  if (!counts) return;
  const [signal] = column.signals;
  if (!signal) column.missed++;
  else if (signal.byOomKiller) column.late++;
  else column.us.push(Number(signal.signalNs - signal.triggerNs) / 1000);
}

/** The target holds three quarters of the cgroup's memory. When it has ended, the other process has enough memory. */
async function runShort(column: Column): Promise<void> {
  const target = hog(group, '--hold', String((LIMIT_BYTES * 3) / 4));
  await once(target.stdout, 'data');
  using handle = open(target.pid as number);
  const kills = group.events().oom_kill;
  const condition = { domain, fruitlessRounds: FRUITLESS_ROUNDS, signal: 'SIGKILL' } as const;
  const armed = await arm(column, handle, condition, { expiresInMs: 10_000, oomScoreAdj: 900 });
  const other = hog(group, '--max', String((LIMIT_BYTES * 3) / 8));
  await Promise.all([ended(target), ended(other)]);
  armed.disarm();
  if (group.events().oom_kill > kills) column.kernelKilled++;
}

/**
 * A process cannot be armed in the clock tick in which it started: arming is tried again until that tick has passed.
 */
async function arm({ arming }: Column, ...[handle, condition, options]: Parameters<Arming['arm']>) {
  for (let tries = 0; ; tries++) {
    try {
      return arming.arm(handle, condition, options);
    } catch (error) {
      if (tries === 100 || !(error as Error).message.includes('try again in 10 ms')) throw error;
      await sleep(10);
    }
  }
}

async function seen(column: Column): Promise<void> {
  for (let i = 0; i < 20 && column.signals.length === 0; i++) await sleep(2);
}

function hog(where: MemoryGroup, ...args: string[]) {
  return spawn(built('hog'), ['--cgroup', where.path, ...args], { stdio: ['ignore', 'pipe', 'ignore'] });
}

async function ended(child: ReturnType<typeof hog>): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
}

function open(pid: number): ProcessHandle {
  return ProcessHandle.open({ pid, startTicks: startTicksOf(pid) ?? 0 });
}

function report(): void {
  const us = (value: number) => value.toFixed(1);
  const row = (way: Way, { us: values, late, missed, kernelKilled }: Column): string[] => {
    const s = summarize(values);
    const figures = s ? [s.p50, s.p90, s.p99, s.max].map(us) : ['', '', '', ''];
    return [ways[way].label, String(values.length), ...figures, `${late}`, `${missed}`, `${kernelKilled}/${shortages}`];
  };
  const head = ['µs from hook to signal', 'signals', 'p50', 'p90', 'p99', 'max', 'kernel first', 'none', 'kernel, too'];
  const lines = present.map((way) => row(way, columns[way] as Column));
  const decided = summarize(columns.bpf?.decidedUs ?? []);
  if (decided) {
    const { count, p50, p90, p99, max } = decided;
    const label = '  of that, until bpf_send_signal_task()';
    lines.splice(1, 0, [label, String(count), ...[p50, p90, p99, max].map(us), '', '', '']);
  }
  process.stdout.write(`${inWords(where)}\n\n${table([head, ...lines])}\n`);
  process.stdout.write(
    '"kernel, too": shortages in which the kernel also killed a process, although one kill would have been enough.\n',
  );
  for (const way of present) {
    const { label, goal } = ways[way];
    const measured = summarize((columns[way] as Column).us)?.[goal.rank as keyof Summary];
    if (measured === undefined) continue;
    const met = measured <= goal.us ? 'met' : 'NOT met';
    process.stdout.write(`Goal: ${label}: ${goal.rank} ≤ ${goal.us} µs. Measured: ${us(measured)} µs: ${met}.\n`);
  }
  const rows = present.map((way) => {
    const { us: samples, late, missed, kernelKilled } = columns[way] as Column;
    return {
      way,
      summary: summarize(samples),
      decided: summarize(columns[way]?.decidedUs ?? []),
      samples,
      late,
      missed,
      kernelKilled,
    };
  });
  writeJson(options.json, {
    benchmark: 'guard',
    unit: 'us',
    ...where,
    rounds,
    shortages,
    pressure: options.pressure,
    rows,
  });
}

function shuffled<T>(items: T[]): T[] {
  return items
    .map((item) => ({ item, at: Math.random() }))
    .sort((a, b) => a.at - b.at)
    .map(({ item }) => item);
}
