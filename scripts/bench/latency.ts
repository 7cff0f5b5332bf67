/**
 * Measures the time from the kernel's mark_oom_victim() until each reader has the event. The kills are real
 * memory-cgroup OOM kills. The readers take turns in random order, and the others are stopped meanwhile, so that no
 * reader delays another. A second part measures the first kill after idle times, and the line on a pipe: latency-first.ts.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { Child } from './child.ts';
import { onlineCpus } from './cpus.ts';
import { type Firsts, measureFirsts } from './latency-first.ts';
import { circumstances, inWords, type Summary, say, summarize, table, writeJson } from './report.ts';
import { bpftraceCommand, bpftraceVersion, buildPlainObject, buildRivals } from './rivals.ts';
import { killOne, makeGroup } from './victim.ts';

const { values: options } = parseArgs({
  options: {
    kills: { type: 'string', default: '60' },
    warm: { type: 'string', default: '3' },
    // the idle times before a first kill, in seconds, and how often each is measured
    idle: { type: 'string', default: '3' },
    firsts: { type: 'string', default: '5' },
    // the directory of another build, to compare with in the second part
    other: { type: 'string' },
    // the readers of the second part, by their labels; all of them without this option
    only: { type: 'string', multiple: true },
    // all readers at SCHED_FIFO: on a busy machine, the times are then not those of waits for a CPU
    fifo: { type: 'boolean', default: false },
    json: { type: 'string' },
  },
});
// time between continuing a reader and the kill: the reader reads the events that it missed, and sleeps again
const SETTLE_MS = 150;
const PATIENCE_MS = 3000;

/** The times of one reader. */
interface Reader {
  child: Child;
  /** The CPU to which the victim is bound, if it is bound to one. */
  victimCpu?: number;
  seen: Map<number, { atNs: Record<string, number>; readerCpu: number }>;
}

const where = circumstances();
const kills = Number(options.kills);
const object = buildPlainObject();
const rivals = buildRivals('plain-loop', 'kmsg-reader', 'line-stamper');
/** The time when each victim was marked, and its CPU. They come from the plain loop, which sees all kills. */
const marks = new Map<number, { ns: number; cpu: number }>();
const cpus = onlineCpus();
const fifo = options.fifo ? ['chrt', '-f', '1'] : [];
const lastCpu = cpus.at(-1) as number;

// The readers, in the order in which they attach. The kernel runs their BPF programs in the same order, so the time
// stamp of the first one is used for all.
const readers: Record<string, Reader> = {};
readers.plain = await startRival([rivals['plain-loop'], object], 'plain');
if (cpus.length > 1) {
  readers.limit = {
    ...(await startRival([rivals['plain-loop'], object, String(lastCpu)], 'limit')),
    victimCpu: lastCpu,
  };
}
readers.kmsg = await startRival([rivals['kmsg-reader']], 'kmsg');
const bpftrace = bpftraceVersion();
if (bpftrace !== undefined)
  readers.bpftrace = await startRival([rivals['line-stamper'], ...bpftraceCommand()], 'bpftrace');
readers.oomscope = await startOomscope();
await sleep(1500); // bpftrace reports when it begins to attach, not when it has attached

const group = makeGroup();
/** The kills made in each reader's turn. */
const turns = Object.fromEntries([...Object.keys(readers), 'first'].map((name) => [name, [] as number[]]));
const first = new Map<number, Record<string, number>>();
let firsts: Firsts[] = [];
for (const reader of Object.values(readers)) reader.child.pause();
try {
  for (let round = -Number(options.warm); round < kills; round++) {
    for (const name of shuffled([...Object.keys(readers), 'first'])) {
      const pid = name === 'first' ? await turnOfFresh() : await turnOf(readers[name] as Reader);
      if (round >= 0) turns[name]?.push(pid);
    }
    if (round % 10 === 0) say(`round ${round} of ${kills}`);
  }
  const idle = options.idle.split(',').filter(Boolean).map(Number);
  const common = { idle, rounds: Number(options.firsts), group, cpu: lastCpu, stamper: rivals['line-stamper'] };
  firsts = await measureFirsts({ ...common, fifo, other: options.other, only: options.only }, async () => {
    if (readers.limit) turns.limit?.push(await turnOf(readers.limit));
  });
  for (const reader of Object.values(readers)) reader.child.resume();
  await sleep(500); // the plain loop prints the last marks
} finally {
  group.remove();
  await Promise.all(Object.values(readers).map((reader) => reader.child.end()));
}

where.load_after = circumstances().load_before;
report();

async function turnOf(reader: Reader): Promise<number> {
  reader.child.resume();
  await sleep(SETTLE_MS);
  const pid = await killOne(group, reader.victimCpu);
  const end = performance.now() + PATIENCE_MS;
  while (!reader.seen.has(pid) && performance.now() < end) await sleep(5);
  reader.child.pause();
  return pid;
}

/** A tracer process that has seen no kill yet. */
async function turnOfFresh(): Promise<number> {
  const reader = await startOomscope();
  const pid = await turnOf(reader);
  const seen = reader.seen.get(pid);
  if (seen) first.set(pid, seen.atNs);
  await reader.child.end();
  return pid;
}

async function startRival(command: string[], name: string): Promise<Reader> {
  const child = new Child([...fifo, ...command]);
  const seen: Reader['seen'] = new Map();
  await child.line('ready');
  child.onLine = (line) => {
    const [pid = 0, markNs = 0, atNs = 0, cpu = -1, readerCpu = -1] = line.split(' ').map(Number);
    seen.set(pid, { atNs: { [name]: atNs }, readerCpu });
    if (name === 'plain') marks.set(pid, { ns: markNs, cpu });
  };
  return { child, seen };
}

async function startOomscope(): Promise<Reader> {
  const child = new Child([...fifo, process.execPath, `${import.meta.dirname}/latency-reader.ts`]);
  const seen: Reader['seen'] = new Map();
  await child.line('ready');
  child.onLine = (line) => {
    const [pid = 0, , poller = 0, batches = 0, kill = 0] = line.split(' ').map(Number);
    seen.set(pid, { atNs: { ...(poller > 0 && { poller }), batches, kill }, readerCpu: -1 });
  };
  return { child, seen };
}

function report(): void {
  const latencies = (name: string, stamp: string): number[] =>
    (turns[name] ?? []).flatMap((pid) => {
      const atNs = (name === 'first' ? first.get(pid) : readers[name]?.seen.get(pid)?.atNs)?.[stamp];
      const mark = marks.get(pid);
      return atNs === undefined || mark === undefined ? [] : [(atNs - mark.ns) / 1e6];
    });
  const rows: { label: string; reader: string; summary: Summary; same: string; samples: number[] }[] = [];
  const add = (label: string, reader: string, stamp = reader) => {
    const samples = latencies(reader, stamp);
    const summary = summarize(samples);
    if (!summary) return;
    const at = (turns[reader] ?? []).map((pid) => [marks.get(pid)?.cpu, readers[reader]?.seen.get(pid)?.readerCpu]);
    const known = at.filter(([, readerCpu]) => readerCpu !== undefined && readerCpu >= 0);
    // The CPU of bpftrace is unknown, because the time stamp is taken in the process that reads its pipe.
    const same =
      known.length === 0 || reader === 'bpftrace' ? '' : `${known.filter(([a, b]) => a === b).length}/${known.length}`;
    rows.push({ label, reader, summary, same, samples });
  };
  add('the limit: plain C loop, never on the victim’s CPU', 'limit');
  add('plain C libbpf loop', 'plain');
  add(`bpftrace ${bpftrace} one-liner, its line on the pipe`, 'bpftrace');
  add('/dev/kmsg reader in C, "Killed process" line', 'kmsg');
  add('oomscope, poller thread', 'oomscope', 'poller');
  add('oomscope, handler of batches$', 'oomscope', 'batches');
  add('oomscope, handler of oomKills$ (complete event)', 'oomscope', 'kill');
  add('oomscope, first kill: poller thread', 'first', 'poller');
  add('oomscope, first kill: handler of oomKills$', 'first', 'kill');

  const limit = rows.find((row) => row.reader === 'limit')?.summary;
  const plain = rows.find((row) => row.reader === 'plain')?.summary;
  const ms = (value: number) => value.toFixed(3);
  const ratio = (value: number, to?: number) => (to === undefined ? '' : (value / to).toFixed(2));
  const head = [
    'ms from mark_victim',
    'kills',
    'p50',
    'p90',
    'p99',
    'max',
    'p50/limit',
    'p99/plain',
    'on victim’s CPU',
  ];
  const lines = rows.map(({ label, summary: s, same }) => [
    label,
    ...[String(s.count), ms(s.p50), ms(s.p90), ms(s.p99), ms(s.max)],
    ...[ratio(s.p50, limit?.p50), ratio(s.p99, plain?.p99), same],
  ]);
  const placed = cpus.map((cpu) => `CPU ${cpu}: ${[...marks.values()].filter((mark) => mark.cpu === cpu).length}`);
  const missed = Object.entries(turns).map(([name, pids]) => {
    const had = name === 'first' ? first : readers[name]?.seen;
    return `${name} ${pids.filter((pid) => !had?.has(pid)).length}`;
  });
  const priority = options.fifo ? '\nAll readers run at SCHED_FIFO.' : '';
  process.stdout.write(`${inWords(where)}${priority}\n\n${table([head, ...lines])}\n`);
  process.stdout.write(`Where victims ran: ${placed.join(', ')}. Missed: ${missed.join(', ')}.\n`);
  if (firsts.length > 0) process.stdout.write(`\n${firstTable(limit)}\n`);
  if (bpftrace === undefined) process.stdout.write('bpftrace is not here and cannot be installed: no row for it.\n');
  for (const { label, reader, summary } of rows) {
    if (reader !== 'oomscope' || !label.includes('handler') || !limit || !plain) continue;
    process.stdout.write(goal(`${label}: p50 ≤ 1.5 × the limit’s p50`, summary.p50 / limit.p50, 1.5));
    process.stdout.write(goal(`${label}: p99 ≤ 0.3 × the plain loop’s p99`, summary.p99 / plain.p99, 0.3));
  }
  writeJson(options.json, {
    benchmark: 'latency',
    unit: 'ms',
    ...where,
    kills,
    rows,
    placed,
    missed,
    firsts: firstRows(limit),
  });
}

/** The rows of the second part. Each figure is also given as a multiple of the limit's p50. */
function firstRows(limit: Summary | undefined) {
  const since = ({ pid, atNs }: { pid: number; atNs: number }) => {
    const mark = marks.get(pid);
    return mark === undefined ? [] : [(atNs - mark.ns) / 1e6];
  };
  return firsts.flatMap(({ label, first: byIdle, next, void: voided }) => {
    const parts = [...byIdle].map(([seconds, samples]) => ({ kill: `first after ${seconds} s`, samples }));
    return [...parts, { kill: 'later', samples: next }].flatMap(({ kill, samples }) => {
      const summary = summarize(samples.flatMap(since));
      const faults = summarize(samples.map((sample) => sample.faults))?.p50 ?? 0;
      const times = (value: number) => (limit === undefined ? null : value / limit.p50);
      return summary
        ? [{ label, kill, voided, summary, p50Times: times(summary.p50), maxTimes: times(summary.max), faults }]
        : [];
    });
  });
}

function firstTable(limit: Summary | undefined): string {
  const times = (value: number | null) => (value === null ? '' : `${value.toFixed(1)} ×`);
  const lines = firstRows(limit).map(({ label, kill, voided, summary, p50Times, maxTimes, faults }) => [
    ...[label, kill, String(summary.count), String(voided), summary.p50.toFixed(3), summary.max.toFixed(3)],
    ...[times(p50Times), times(maxTimes), String(faults)],
  ]);
  const p50 = limit?.p50.toFixed(3) ?? 'unknown';
  return table([
    [
      `ms from mark_victim; limit’s p50 ${p50}`,
      'kill',
      'kills',
      'void',
      'p50',
      'max',
      'p50/limit',
      'max/limit',
      'faults',
    ],
    ...lines,
  ]);
}

function goal(words: string, measured: number, wanted: number): string {
  return `Goal: ${words}. Measured: ${measured.toFixed(2)} ×: ${measured <= wanted ? 'met' : 'NOT met'}.\n`;
}

function shuffled<T>(items: T[]): T[] {
  return items
    .map((item) => ({ item, at: Math.random() }))
    .sort((a, b) => a.at - b.at)
    .map(({ item }) => item);
}
