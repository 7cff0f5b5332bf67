/**
 * Measures the time from the kernel's mark_oom_victim() until a line about the kill is on the reader's pipe, on a machine in distress:
 * all CPUs are busy, a cgroup is full and reclaims all the time, and so does the cgroup of each reader. The readers take turns in
 * random order; the others and what presses them are stopped meanwhile.
 *
 *   npm -s run bench:distress -- [--kills N] [--json FILE]
 *
 * Memory runs out only in cgroups that the benchmark makes.
 */
import { resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { createMemoryGroup, type MemoryGroup } from '../../src/demo/memory-group.ts';
import { Child } from './child.ts';
import { onlineCpus } from './cpus.ts';
import { circumstances, inWords, type Summary, say, summarize, table, writeJson } from './report.ts';
import { bpftraceCommand, bpftraceVersion, buildPlainObject, buildRivals, built } from './rivals.ts';
import { killOne, makeGroup } from './victim.ts';

const { values: options } = parseArgs({
  options: { kills: { type: 'string', default: '500' }, json: { type: 'string' } },
});
const MIB = 2 ** 20;
/** Of the cgroup of a reader: what it needs, and little more for the page cache that presses it. */
const READER_LIMIT_BYTES = 96 * MIB;
const FULL_LIMIT_BYTES = 64 * MIB;
const FILE_BYTES = 256 * MIB;
const BUSY_PER_CPU = 2;
const SETTLE_MS = 100;
const PATIENCE_MS = 5000;
const GOAL_MS = 2;
const COMMAND = resolve(import.meta.dirname, '../oomscope.sh');

interface Reader {
  label: string;
  child: Child;
  press: Child;
  seen: Map<number, number>;
  kills: number[];
}

const where = circumstances();
const kills = Number(options.kills);
const cpus = onlineCpus();
const victimCpu = cpus.at(-1) as number;
const object = buildPlainObject();
const rivals = buildRivals('plain-loop', 'line-stamper');
/** The time of each mark, by pid of the victim. */
const marks = new Map<number, number>();
const groups: MemoryGroup[] = [];
const readers: Record<string, Reader> = {};
const distress: Child[] = [];
const victims = makeGroup();
try {
  readers.plain = await start('plain C libbpf loop', [rivals['plain-loop'], object]);
  readers.plain.child.onLine = (line) => {
    const [pid = 0, markNs = 0, atNs = 0] = line.split(' ').map(Number);
    readers.plain?.seen.set(pid, atNs);
    marks.set(pid, markNs);
  };
  const bpftrace = bpftraceVersion();
  if (bpftrace !== undefined) readers.bpftrace = await stamped(`bpftrace ${bpftrace} one-liner`, bpftraceCommand());
  const trace = [COMMAND, 'trace', '--json'];
  readers.oomscope = await stamped('oomscope trace --json', trace);
  readers.realtime = await stamped('oomscope trace --json --realtime', [...trace, '--realtime']);
  await sleep(3000); // bpftrace reports when it begins to attach; oomscope rehearses
  makeDistress();
  for (const reader of Object.values(readers)) pause(reader);
  for (let round = 0; round < kills; round++) {
    for (const reader of shuffled(Object.values(readers))) await turnOf(reader);
    if (round % 50 === 0) say(`round ${round} of ${kills}`);
  }
  for (const { child } of Object.values(readers)) child.resume();
  await sleep(1000); // the plain loop prints the last marks
} finally {
  const all = Object.values(readers).flatMap(({ child, press }) => [press, child]);
  await Promise.all([...distress, ...all].map((child) => child.end('SIGKILL')));
  for (const group of [victims, ...groups]) group.remove();
}
report(); // without the load afterwards, which is that of the benchmark

/** The line is read at real-time priority, off the victim's CPU, so that the wait of the process that reads it does not count. */
function stamped(label: string, command: string[]): Promise<Reader> {
  const off = cpus.length > 1 ? ['-c', String(victimCpu)] : [];
  return start(label, command, ['chrt', '--reset-on-fork', '-f', '20', rivals['line-stamper'], ...off]);
}

/** Starts a reader in a cgroup of its own, in which another process fills the page cache. */
async function start(label: string, command: readonly string[], stamper: readonly string[] = []): Promise<Reader> {
  const group = createMemoryGroup({ limitBytes: READER_LIMIT_BYTES });
  groups.push(group);
  const enter = ['sh', '-c', 'echo $$ > "$0/cgroup.procs" && exec "$@"', group.path];
  const child = new Child([...stamper, ...enter, ...command]);
  await child.line('ready');
  const reader: Reader = { label, child, press: thrash(group), seen: new Map(), kills: [] };
  child.onLine = (line) => {
    const [pid = 0, , atNs = 0] = line.split(' ').map(Number);
    reader.seen.set(pid, atNs);
  };
  return reader;
}

function thrash({ path }: MemoryGroup): Child {
  const words = ['--cgroup', path, '--seconds', '100000', '--file', String(FILE_BYTES), '--sparse'];
  return new Child([built('thrash'), ...words], { stdio: 'ignore' });
}

function makeDistress(): void {
  const full = createMemoryGroup({ limitBytes: FULL_LIMIT_BYTES });
  groups.push(full);
  distress.push(thrash(full));
  const busy = ['sh', '-c', 'while :; do :; done'];
  for (let i = 0; i < BUSY_PER_CPU * cpus.length; i++) distress.push(new Child(busy, { stdio: 'ignore' }));
}

function pause({ child, press }: Reader): void {
  child.pause();
  press.pause();
}

async function turnOf(reader: Reader): Promise<void> {
  reader.press.resume();
  reader.child.resume();
  await sleep(SETTLE_MS);
  const pid = await killOne(victims, victimCpu);
  const end = performance.now() + PATIENCE_MS;
  while (!reader.seen.has(pid) && performance.now() < end) await sleep(5);
  pause(reader);
  reader.kills.push(pid);
}

function report(): void {
  const rows = Object.entries(readers).flatMap(([name, { label, seen, kills: own }]) => {
    const ms = own.flatMap((pid) => {
      const [mark, at] = [marks.get(pid), seen.get(pid)];
      return mark === undefined || at === undefined ? [] : [(at - mark) / 1e6];
    });
    const summary = summarize(ms);
    return summary ? [{ name, label, summary, missed: own.length - ms.length, ms }] : [];
  });
  const head = ['ms from mark_victim to the line, in distress', 'kills', 'missed', 'p50', 'p90', 'p99', 'worst'];
  const cells = ({ p50, p90, p99, max }: Summary) => [p50, p90, p99, max].map((value) => value.toFixed(3));
  const lines = rows.map(({ label, summary, missed }) => [
    label,
    String(summary.count),
    String(missed),
    ...cells(summary),
  ]);
  process.stdout.write(`${inWords(where)}\n\n${table([head, ...lines])}\n`);
  const p99 = (name: string) => rows.find((row) => row.name === name)?.summary.p99;
  for (const name of ['oomscope', 'realtime']) {
    const own = p99(name);
    if (own === undefined) continue;
    const words = readers[name]?.label;
    goal(`${words}: p99 < ${GOAL_MS} ms`, own, GOAL_MS);
    for (const rival of ['plain', 'bpftrace']) {
      const other = p99(rival);
      if (other !== undefined) goal(`${words}: p99 below that of ${readers[rival]?.label}`, own, other);
    }
  }
  writeJson(options.json, { benchmark: 'distress', unit: 'ms', ...where, kills, rows });
}

function goal(words: string, measured: number, limit: number): void {
  const met = measured < limit ? 'met' : 'NOT met';
  process.stdout.write(`Goal: ${words}. Measured: ${measured.toFixed(3)} against ${limit.toFixed(3)} ms: ${met}.\n`);
}

function shuffled<T>(items: T[]): T[] {
  return items
    .map((item) => ({ item, at: Math.random() }))
    .sort((a, b) => a.at - b.at)
    .map(({ item }) => item);
}
