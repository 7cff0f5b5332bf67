/** Measures the cost of oomscope when no OOM happens: start time, memory, threads, descriptors, wake-ups. */
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { Child } from './child.ts';
import {
  type Footprint,
  firstChildOf,
  footprint,
  type Switches,
  switches,
  switchesBetween,
} from './process-figures.ts';
import { circumstances, inWords, say, summarize, table, writeJson } from './report.ts';
import { bpftraceCommand, bpftraceVersion, buildPlainObject, buildRivals } from './rivals.ts';

const { values: options } = parseArgs({
  options: {
    idle: { type: 'string', default: '30' },
    starts: { type: 'string', default: '10' },
    json: { type: 'string' },
  },
});
const SETTLE_MS = 10_000; // V8 collects garbage once, some seconds after the last work
const WINDOWS = 4;
const PLAIN = 'plain C libbpf loop';
const GOALS = { start_ms: 300, rss_mb: 55, anonymous_mb: 12, threads: 8, switches: 0 };
const DIST = resolve(import.meta.dirname, '../../dist');
/** A program that uses only the library. It is measured if the command is not built yet. */
const LIBRARY = `import { openTracer } from '${join(DIST, 'index.js')}';
const tracer = await openTracer();
tracer.events$.subscribe();
process.stdout.write(JSON.stringify(tracer.started) + '\\n');
process.once('SIGTERM', () => tracer.close());`;

const cli = join(DIST, 'cli', 'main.js');
const COMMAND = resolve(import.meta.dirname, '../oomscope.sh');
const oomscope = existsSync(cli)
  ? [COMMAND, 'trace', '--json']
  : [process.execPath, '--input-type=module', '-e', LIBRARY];

const where = circumstances();
const idleSeconds = Number(options.idle);
const object = buildPlainObject();
const rivals = buildRivals('plain-loop', 'line-stamper');
const bpftrace = bpftraceVersion();

const spawnMs: number[] = [];
const startMs: number[] = [];
const nodeMs: number[] = [];
for (let run = 0; run < Number(options.starts); run++) {
  const { child, ms, started } = await startOomscope();
  spawnMs.push(ms);
  startMs.push(started.start_ns / 1e6);
  await child.end();
  nodeMs.push(await startBareNode());
}

// All processes are idle at the same time. So if one of them runs, it has woken up by itself.
const own = await startOomscope();
const processes: Record<string, { child: Child; pid: number }> = {
  [`oomscope ${existsSync(cli) ? 'trace --json' : '(openTracer, no command)'}`]: {
    child: own.child,
    pid: own.child.pid,
  },
};
if (existsSync(cli)) {
  const recording = await startOomscope(['--lead-up']);
  const locked = await startOomscope(['--realtime']);
  processes['oomscope trace --json --realtime (locked)'] = { child: locked.child, pid: locked.child.pid };
  processes['oomscope trace --json --lead-up'] = { child: recording.child, pid: recording.child.pid };
}
await add('node, idle', [process.execPath, '-e', 'console.log("ready"); setTimeout(() => {}, 1e9);']);
await add(PLAIN, [rivals['plain-loop'], object]);
if (bpftrace !== undefined)
  await add(`bpftrace ${bpftrace} one-liner`, [rivals['line-stamper'], ...bpftraceCommand()], true);
await sleep(SETTLE_MS);
let killsMeanwhile = 0;
for (const name of Object.keys(processes)) {
  const child = processes[name]?.child as Child;
  if (name === PLAIN)
    child.onLine = () => killsMeanwhile++; // one line for every kill on this machine
  else child.onLine = () => {};
}
let rows = await watch();
for (let again = 1; again < WINDOWS && killsMeanwhile > 0; again++) {
  say(`${killsMeanwhile} OOM kills on this machine while it should have been idle: watching once more`);
  rows = await watch();
}
await Promise.all(Object.values(processes).map(({ child }) => child.end()));
where.load_after = circumstances().load_before;
report();

/** The threads that ran in a period in which no thread should run. */
async function watch() {
  killsMeanwhile = 0;
  const before = Object.values(processes).map(({ pid }) => switches(pid));
  await sleep(idleSeconds * 1000);
  return Object.entries(processes).map(([name, { pid }], i) => {
    const ran = switchesBetween(before[i] as Switches, switches(pid));
    return { name, ...footprint(pid), ran, wakes: sum(ran) };
  });
}

async function startOomscope(more: string[] = []) {
  const begin = performance.now();
  const child = new Child([...oomscope, ...more], { stdio: ['ignore', 'pipe', 'inherit'] });
  const line = await child.line('{');
  const ms = performance.now() - begin;
  const started = JSON.parse(line) as { type: string; start_ns: number };
  if (started.type !== 'tracer.started')
    throw new Error(`expected tracer.started as the first line, got ${started.type}`);
  return { child, ms, started };
}

async function startBareNode(): Promise<number> {
  const begin = performance.now();
  const child = new Child([process.execPath, '-e', 'console.log("ready"); setTimeout(() => {}, 1e9);']);
  await child.line('ready');
  const ms = performance.now() - begin;
  await child.end();
  return ms;
}

/** @param inner measure the child of the started process instead of the process itself */
async function add(name: string, command: string[], inner = false): Promise<void> {
  const child = new Child(command);
  await child.line('ready');
  processes[name] = { child, pid: inner ? firstChildOf(child.pid) : child.pid };
}

function sum(ran: Switches): number {
  return Object.values(ran).reduce((total, { voluntary, involuntary }) => total + voluntary + involuntary, 0);
}

function report(): void {
  const mb = (kib: number) => ((kib * 1024) / 1e6).toFixed(1);
  const head = [
    'idle',
    'RSS MB',
    'anonymous MB',
    'file MB',
    'PSS MB',
    'threads',
    'descriptors',
    `switches in ${idleSeconds} s`,
  ];
  const cells = (row: Footprint & { name: string; wakes: number }) => [
    ...[row.name, mb(row.rss_kib), mb(row.anonymous_kib), mb(row.file_kib), mb(row.pss_kib)],
    ...[String(row.threads), String(row.descriptors), String(row.wakes)],
  ];
  const spawned = summarize(spawnMs);
  const inside = summarize(startMs);
  const node = summarize(nodeMs);
  const [ours] = rows;
  if (!spawned || !inside || !node || !ours) throw new Error('expected figures, got none');
  const ms = (s: typeof spawned) => [s.min, s.p50, s.p90, s.max].map((value) => value.toFixed(0));
  const starts = [
    [`start, ms (${spawned.count} runs)`, 'min', 'p50', 'p90', 'max'],
    ['oomscope: spawn to tracer.started', ...ms(spawned)],
    ['oomscope: start_ns inside the event', ...ms(inside)],
    ['node: spawn to a first line', ...ms(node)],
  ];
  process.stdout.write(`${inWords(where)}\n\n${table(starts)}\n${table([head, ...rows.map(cells)])}\n`);
  for (const { name, ran } of rows) {
    const threads = Object.values(ran).map((t) => `${t.name} ${t.voluntary}+${t.involuntary}`);
    if (threads.length > 0)
      process.stdout.write(`Ran while idle, ${name}: ${threads.join(', ')} (voluntary+involuntary).\n`);
  }
  if (killsMeanwhile > 0) {
    process.stdout.write(
      `NOT idle: ${killsMeanwhile} OOM kills happened on this machine in the window, in each of ${WINDOWS}.\n`,
    );
  }
  const goal = (words: string, measured: number, wanted: number, unit: string) =>
    `Goal: ${words} ≤ ${wanted}${unit}. Measured: ${measured.toFixed(1)}${unit}: ${measured <= wanted ? 'met' : 'NOT met'}.\n`;
  process.stdout.write(goal('start, p50', spawned.p50, GOALS.start_ms, ' ms'));
  process.stdout.write(goal('RSS', Number(mb(ours.rss_kib)), GOALS.rss_mb, ' MB'));
  process.stdout.write(goal('anonymous', Number(mb(ours.anonymous_kib)), GOALS.anonymous_mb, ' MB'));
  process.stdout.write(goal('threads', ours.threads, GOALS.threads, ''));
  process.stdout.write(goal('switches while idle', ours.wakes, GOALS.switches, ''));
  if (bpftrace === undefined) process.stdout.write('bpftrace is not here and cannot be installed: no row for it.\n');
  const start = { spawned, inside, node, spawned_ms: spawnMs, start_ms: startMs, node_ms: nodeMs };
  writeJson(options.json, {
    benchmark: 'footprint',
    ...where,
    idle_seconds: idleSeconds,
    kills_meanwhile: killsMeanwhile,
    start,
    rows,
  });
}
