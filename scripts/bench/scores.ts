/**
 * Measures how long it takes to rank many processes as the OOM killer would. It runs `oomscope scores` as a command and
 * within a running process, and compares it with `ps`, the usual shell loop, and reading /proc file by file as psutil
 * does. All take turns in random order over the same idle processes.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { createMemoryGroup } from '../../src/demo/memory-group.ts';
import { ScoreSampler } from '../../src/scores/score-sampler.ts';
import type { TaskTable } from '../../src/scores/task-table.ts';
import { Child } from './child.ts';
import { circumstances, inWords, type Summary, say, summarize, table, writeJson } from './report.ts';
import { buildRivals } from './rivals.ts';

const { values: options } = parseArgs({
  options: {
    processes: { type: 'string', default: '5000' },
    rounds: { type: 'string', default: '15' },
    json: { type: 'string' },
  },
});
const MOST_MS = 50;
const FASTER_THAN_PS = 10;
const RIVALS = `${import.meta.dirname}/rivals`;
const CLI = `${import.meta.dirname}/../../dist/cli/main.js`;

interface Figures {
  name: string;
  wall: Summary | undefined;
  /** The mean CPU time of the process and its children. */
  cpu_ms: number;
  samples_ms: number[];
}

const where = circumstances();
const rounds = Number(options.rounds);
const { crowd } = buildRivals('crowd');
const group = createMemoryGroup({ limitBytes: 4 * 2 ** 30, name: `oomscope-bench-${process.pid}` });
const crowded = new Child([crowd, group.path, options.processes]);
let figures: Figures[];
try {
  await crowded.line('ready', 120_000);
  say(`${options.processes} idle processes`);
  figures = measure();
} finally {
  await crowded.end('SIGKILL');
  group.remove();
}
where.load_after = circumstances().load_before;
report(figures);

function measure(): Figures[] {
  using iterated = new ScoreSampler({ backend: 'iterator' });
  using fromProc = new ScoreSampler({ backend: 'proc' });
  const inProcess = (scores: ScoreSampler) => () => void scores.sample();
  const command = (file: string, ...args: string[]) => {
    return () => {
      const { status, error } = spawnSync(file, args, { stdio: ['ignore', 'ignore', 'inherit'] });
      if (status !== 0) throw error ?? new Error(`${file} ended with ${status}`);
    };
  };
  const python = execFileSync('python3', ['-c', 'import sys; print(sys.executable)'], { encoding: 'utf8' }).trim();
  const ways: Record<string, () => void> = {
    'Scores.sample(), BPF iterator': inProcess(iterated),
    'Scores.sample(), /proc': inProcess(fromProc),
    'its processes alone, BPF iterator': tableOnly(iterated.table),
    'oomscope scores (whole command)': command(process.execPath, CLI, 'scores'),
    'oomscope scores --proc (whole command)': command(process.execPath, CLI, 'scores', '--proc'),
    'node -e 0 (what Node takes to start)': command(process.execPath, '-e', '0'),
    'ps -eo pid,comm,rss': command('ps', '-eo', 'pid,comm,rss'),
    'python3, file by file as psutil': command(python, `${RIVALS}/per-file.py`),
    'shell loop of cat': command('bash', `${RIVALS}/guide-loop.sh`),
  };
  const samples = Object.fromEntries(Object.keys(ways).map((name) => [name, { wall: [] as number[], cpu: 0 }]));
  for (let round = -2; round < rounds; round++) {
    for (const name of Object.keys(ways).sort(() => Math.random() - 0.5)) {
      if (name.startsWith('shell') && round !== 0) continue; // it takes a minute on a busy machine
      const [begin, cpuBefore] = [performance.now(), cpuMs()];
      ways[name]?.();
      const taken = samples[name];
      if (round < 0 || !taken) continue;
      taken.wall.push(performance.now() - begin);
      taken.cpu += cpuMs() - cpuBefore;
    }
    say(`round ${round + 1} of ${rounds}`);
  }
  return Object.entries(samples).map(([name, { wall, cpu }]) => {
    return { name, wall: summarize(wall), cpu_ms: cpu / wall.length, samples_ms: wall };
  });
}

function tableOnly(tasks: TaskTable): () => void {
  return () => void tasks.read();
}

/** CPU time of this process and of the children that it waited for; the children's in ticks of 10 ms. */
function cpuMs(): number {
  const stat = readFileSync('/proc/self/stat', 'latin1');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const { user, system } = process.cpuUsage();
  return (Number(fields[13]) + Number(fields[14])) * 10 + (user + system) / 1000;
}

function report(rows: Figures[]): void {
  const p50 = (name: string) => rows.find((row) => row.name.startsWith(name))?.wall?.p50 ?? Number.NaN;
  const ps = p50('ps ');
  const ms = (value: number | undefined) => value?.toFixed(1) ?? '';
  const lines = rows.map(({ name, wall, cpu_ms }) => [
    name,
    ...[String(wall?.count ?? 0), ms(wall?.p50), ms(wall?.p90), ms(wall?.max), ms(cpu_ms)],
    `${(ps / (wall?.p50 ?? Number.NaN)).toFixed(wall && wall.p50 > ps ? 2 : 1)} x`,
  ]);
  const head = [`${options.processes} processes, ms`, 'runs', 'p50', 'p90', 'max', 'CPU', 'faster than ps'];
  process.stdout.write(`${inWords(where)}\n\n${table([head, ...lines])}\n`);
  const goal = (what: string, value: string, met: boolean) =>
    process.stdout.write(`Goal: ${what}: ${value}, ${met ? 'met' : 'NOT met'}.\n`);
  for (const name of ['Scores.sample(), BPF', 'Scores.sample(), /proc', 'oomscope scores (']) {
    const taken = p50(name);
    const what = name.replace(/ \($/, '');
    goal(`${what} takes less than ${MOST_MS} ms`, `${ms(taken)} ms`, taken < MOST_MS);
    goal(`${what} is ${FASTER_THAN_PS} times as fast as ps`, `${ms(ps / taken)} times`, ps / taken >= FASTER_THAN_PS);
  }
  writeJson(options.json, { benchmark: 'scores', unit: 'ms', ...where, processes: Number(options.processes), rows });
}
