/**
 * Proves that `oomscope run` stays small while it waits: beside a rule that is near but never fires, while processes
 * elsewhere run out of memory; and at rest.
 *
 *   npm run prove:waiting -- [--minutes N] [--rest-minutes N] [--fresh] [--part PART]... [--write]
 *
 * A cgroup is filled to 93 % of its limit and stays so; the rule fires below 5 %. In another cgroup, the kernel kills a
 * process every two seconds.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createReadStream, mkdtempSync, openSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { loadavg, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { createMemoryGroup, type MemoryGroup } from '../../src/demo/memory-group.ts';
import { type Footprint, footprint } from '../bench/process-figures.ts';
import { table } from '../bench/report.ts';
import { proofOptions, prove } from './proof.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const BUILD = join(ROOT, 'build');
const MIB = 2 ** 20;
const LIMIT_BYTES = 128 * MIB;
const HELD_BYTES = Math.floor(0.925 * LIMIT_BYTES);
const SMALL_BYTES = 24 * MIB;
const KILL_EVERY_MS = 2000;
const NEWLINE = 0x0a;
const TICKS_PER_SECOND = 100; // USER_HZ, the unit of /proc/PID/stat on all supported architectures
const MARKS = [1, 10, 30, 60];
/** After a minute everything is loaded and compiled; from then on the process must not grow by more than this. */
const GROWTH_BYTES = 5 * MIB;
/** Of one CPU. */
const MOST_CPU = { near: 0.01, rest: 0.001 };

interface Mark extends Footprint {
  minute: number;
  /** Share of one CPU since the last mark. */
  cpu: number;
  /** Bytes of the C heap that are allocated. */
  native_bytes: number;
  js_heap_bytes: number;
  kills: number;
  /** Events that it has written, with those of other work on this machine. */
  events: number;
  /** The load average of a minute. */
  load: number;
}
type Figures = { what: 'near' | 'rest'; marks: Mark[] };

/**
 * Loaded into the watched process: it answers a signal with what only the process itself knows. SIGWINCH has no other use
 * there, and ends no process.
 */
const PROBE = `const { writeSync } = require('node:fs');
const { heapBytes } = require(${JSON.stringify(join(BUILD, 'oomscope.node'))});
process.on('SIGWINCH', () => {
  writeSync(3, JSON.stringify({ native_bytes: heapBytes().used, js_heap_bytes: process.memoryUsage().heapUsed }) + '\\n');
});
`;

const configuration = (group: MemoryGroup) => `[guard]
mode = "enforce"
[[guard.rule]]
name = "near"
on = "${group.cgroupPath}"
when = ["available < 5 %"]
`;

class Watched {
  readonly pid: number;
  readonly #process: ChildProcess;
  readonly #answers: string;
  readonly #output: string;
  #ticks: number;
  #atMs = performance.now();

  constructor(directory: string, group: MemoryGroup) {
    const probe = join(directory, 'probe.cjs');
    const file = join(directory, 'oomscope.toml');
    writeFileSync(probe, PROBE);
    writeFileSync(file, configuration(group));
    this.#answers = join(directory, 'answers');
    this.#output = join(directory, 'output');
    const output = openSync(this.#output, 'w');
    const args = [
      '--max-old-space-size=64',
      '--require',
      probe,
      join(ROOT, 'dist/cli/main.js'),
      'run',
      '--config',
      file,
    ];
    const stdio = ['ignore', output, output, openSync(this.#answers, 'a')] as const;
    this.#process = spawn(process.execPath, args, { stdio: [...stdio], env: { ...process.env, NOTIFY_SOCKET: '' } });
    this.pid = this.#process.pid as number;
    this.#ticks = this.#cpuTicks();
  }

  async mark(minute: number, kills: number): Promise<Mark> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) throw new Error('oomscope run has ended');
    const ticks = this.#cpuTicks();
    const now = performance.now();
    const cpu = (ticks - this.#ticks) / TICKS_PER_SECOND / ((now - this.#atMs) / 1000);
    const before = footprint(this.pid); // first: the answer itself allocates
    const own = await this.#ask();
    this.#ticks = this.#cpuTicks();
    this.#atMs = performance.now();
    return { minute, cpu, kills, events: await linesOf(this.#output), load: loadavg()[0] ?? 0, ...before, ...own };
  }

  async end(): Promise<void> {
    const exit = once(this.#process, 'exit');
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    this.#process.kill('SIGTERM');
    await exit;
  }

  async #ask(): Promise<{ native_bytes: number; js_heap_bytes: number }> {
    const length = statSync(this.#answers).size;
    this.#process.kill('SIGWINCH');
    for (let i = 0; i < 500 && statSync(this.#answers).size === length; i++) await sleep(10);
    const line = readFileSync(this.#answers, 'utf8').trimEnd().split('\n').at(-1) ?? '';
    return JSON.parse(line);
  }

  #cpuTicks(): number {
    const stat = readFileSync(`/proc/${this.pid}/stat`, 'latin1');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return Number(fields[11]) + Number(fields[12]); // utime and stime
  }
}

/** @param kills whether processes elsewhere run out of memory meanwhile */
async function watch(what: Figures['what'], minutes: number): Promise<Figures> {
  const directory = mkdtempSync(join(tmpdir(), 'oomscope-waiting-'));
  const group = createMemoryGroup({ limitBytes: LIMIT_BYTES });
  const over = new AbortController();
  const count = { kills: 0 };
  const holder = what === 'near' ? hog(group, '--hold', String(HELD_BYTES)) : undefined;
  if (holder?.stdout) await once(holder.stdout, 'data');
  const watched = new Watched(directory, group);
  const killing = what === 'near' ? killElsewhere(over.signal, count) : Promise.resolve();
  try {
    const begun = performance.now();
    const marks: Mark[] = [];
    for (const minute of [...MARKS.filter((mark) => mark < minutes), minutes]) {
      await sleep(begun + minute * 60_000 - performance.now());
      const mark = await watched.mark(minute, count.kills);
      marks.push(mark);
      process.stderr.write(`prove: ${what}, ${JSON.stringify(mark)}\n`);
    }
    if (holder && holder.signalCode !== null) throw new Error('the rule has fired: the cgroup was not only near');
    const fault = faultOf(what, marks);
    if (fault !== undefined) throw new Error(`${fault}. Figures: ${JSON.stringify(marks)}`);
    return { what, marks };
  } finally {
    over.abort();
    await killing;
    await watched.end();
    holder?.kill('SIGKILL');
    group.remove();
    rmSync(directory, { recursive: true });
  }
}

async function linesOf(file: string): Promise<number> {
  let lines = 0;
  for await (const chunk of createReadStream(file)) for (const byte of chunk as Buffer) if (byte === NEWLINE) lines++;
  return lines;
}

async function killElsewhere(signal: AbortSignal, count: { kills: number }): Promise<void> {
  while (!signal.aborted) {
    const group = createMemoryGroup({ limitBytes: SMALL_BYTES });
    const victim = hog(group, '--max', String(2 * SMALL_BYTES));
    await once(victim, 'exit');
    if (victim.signalCode === 'SIGKILL') count.kills++;
    group.remove();
    await sleep(KILL_EVERY_MS, undefined, { signal }).catch(() => {});
  }
}

function hog(group: MemoryGroup, ...args: string[]): ChildProcess {
  return spawn(join(BUILD, 'hog'), ['--cgroup', group.path, ...args], { stdio: ['ignore', 'pipe', 'ignore'] });
}

/** undefined: the figures are as they must be. */
function faultOf(what: Figures['what'], marks: readonly Mark[]): string | undefined {
  const [first] = marks;
  const last = marks.at(-1);
  if (!first || !last || first === last) return undefined;
  const grown = 1024 * (last.rss_kib - first.rss_kib);
  if (grown > GROWTH_BYTES)
    return `resident memory grew by ${mib(grown)} MiB from minute ${first.minute} to ${last.minute}`;
  if (last.cpu > MOST_CPU[what])
    return `it took ${percent(last.cpu)} of a CPU, expected at most ${percent(MOST_CPU[what])}`;
  return undefined;
}

const mib = (bytes: number) => (bytes / MIB).toFixed(1);
const percent = (share: number) => `${(100 * share).toFixed(2)} %`;

const { values } = parseArgs({
  options: { ...proofOptions, minutes: { type: 'string' }, 'rest-minutes': { type: 'string' } },
});
const minutes = Number(values.minutes ?? 60);
const restMinutes = Number(values['rest-minutes'] ?? 10);

await prove<Figures>(
  {
    name: 'waiting',
    claim:
      '`oomscope run` does not grow while a rule is near and processes elsewhere run out of memory, and it takes next to no CPU time.',
    parts: [
      { name: `near-${minutes}`, run: () => watch('near', minutes) },
      { name: `rest-${restMinutes}`, run: () => watch('rest', restMinutes) },
    ],
    render: (parts) =>
      table([
        [
          'minute',
          'RSS MiB',
          'anonymous',
          'native heap',
          'JS heap',
          'descriptors',
          'threads',
          'CPU since',
          'kills',
          'events',
          'load',
        ],
        ...parts.flatMap(({ figures }) =>
          (figures?.marks ?? []).map((mark) => [
            `${mark.minute}, ${figures?.what === 'near' ? 'a rule is near' : 'at rest'}`,
            mib(1024 * mark.rss_kib),
            mib(1024 * mark.anonymous_kib),
            mib(mark.native_bytes),
            mib(mark.js_heap_bytes),
            String(mark.descriptors),
            String(mark.threads),
            percent(mark.cpu),
            String(mark.kills),
            String(mark.events),
            mark.load.toFixed(1),
          ]),
        ),
      ]),
  },
  values,
);
