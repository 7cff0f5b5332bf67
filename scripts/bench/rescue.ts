/**
 * Makes the rescue table: every workload causes a memory shortage once with every killer, each time in a small guest
 * that is booted for this run, and whose clock counts instructions. Finished runs are kept in a file of JSON Lines and
 * not repeated, so that a stopped batch continues where it was stopped.
 *
 *   npm run bench:rescue -- --runs 3 --workload leak,zram --killer kernel,oomscope
 *
 * --kernel host: runs the workloads that work in a cgroup in cgroups of this machine instead of guests, with the
 * killers that watch cgroups.
 */
import { createHash } from 'node:crypto';
import { appendFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism, loadavg } from 'node:os';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { cacheDirectory } from '../cache.ts';
import { circumstances, inWords, say, summarize, table, writeJson } from './report.ts';
import { type Killer, killers, unpack } from './rescue/killers.ts';
import { buildPrograms, HERE, run, type Verdict } from './rescue/run.ts';
import { type Workload, workloads } from './rescue/workloads.ts';
import { built } from './rivals.ts';

const { values: options } = parseArgs({
  options: {
    workload: { type: 'string', default: workloads.map(({ name }) => name).join() },
    killer: { type: 'string', default: killers.map(({ name }) => name).join() },
    runs: { type: 'string', default: '3' },
    kernel: { type: 'string', default: '6.12' },
    /** File that keeps the runs. */
    file: { type: 'string', default: built('bench/rescue.jsonl') },
    /** How many guests run at the same time. Each has one CPU, and the machine should have one CPU for each. */
    jobs: { type: 'string', default: String(Math.max(1, availableParallelism())) },
    /** Stop after this many guests; the next call runs the rest. */
    boots: { type: 'string', default: 'Infinity' },
    json: { type: 'string' },
    /** Folder for the output of the killers, one file for each run. */
    logs: { type: 'string' },
  },
});

interface Row extends Verdict {
  workload: string;
  killer: string;
  /** Hash of the settings of the workload and the killer. Runs with other settings do not count. */
  settings: string;
  kernel: string;
  date: string;
  commit: string;
  load: number;
}

const where = circumstances();
const asked = options.kernel;
/** Hash of the sources of referee and load. Runs with other versions do not count. */
const programs = ['load.c', 'referee.c']
  .map((name) => readFileSync(join(import.meta.dirname, 'rescue', name)))
  .join('');
const here = asked === HERE;
const chosen = {
  workloads: choose('workload', workloads, options.workload).filter(({ global }) => !here || !global),
  killers: choose('killer', killers, options.killer).filter((killer) => !here || killer.here !== undefined),
};
// exit hooks remove its groups
if (here) for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1));
mkdirSync(dirname(options.file), { recursive: true });
const rows: Row[] = existsSync(options.file)
  ? readFileSync(options.file, 'utf8')
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line))
  : [];

buildPrograms();
const wanted = missing();
for (const [, { packages }] of wanted) if (packages) await unpack(packages, cacheDirectory('lab'));
await Promise.all(Array.from({ length: here ? 1 : Number(options.jobs) }, work));
where.load_after = loadavg();
for (const workload of chosen.workloads) process.stdout.write(section(workload));
process.stdout.write(`${inWords(where)}\n${where.command}\n`);
writeJson(options.json, { where, workloads: chosen.workloads, killers: chosen.killers, rows });

/**
 * The runs that are still missing: first one run of every cell, then the second of every cell, so that other work of
 * the machine affects all cells equally.
 */
function missing(): [Workload, Killer][] {
  const cells = chosen.workloads.flatMap((workload) => chosen.killers.map((killer) => [workload, killer] as const));
  const rounds = Array.from({ length: Number(options.runs) }, (_, round) =>
    cells
      .filter((cell) => rowsOf(...cell).length <= round)
      .map(([workload, killer]): [Workload, Killer] => [workload, killer]),
  );
  return rounds.flat().slice(0, Number(options.boots));
}

async function work(): Promise<void> {
  for (let next = wanted.shift(); next; next = wanted.shift()) await add(...next);
}

async function add(workload: Workload, killer: Killer): Promise<void> {
  try {
    const { verdict, kernel, log } = await run(workload, killer, asked);
    const row = {
      ...{ workload: workload.name, killer: killer.name, settings: settingsOf(workload, killer), kernel },
      ...{ date: new Date().toISOString(), commit: where.commit, load: loadavg()[0] ?? 0 },
      ...verdict,
    };
    rows.push(row);
    appendFileSync(options.file, `${JSON.stringify(row)}\n`);
    say(`${workload.name}, ${killer.name}: ${outcome(row)}`);
    if (options.logs === undefined) return;
    mkdirSync(options.logs, { recursive: true });
    const name = `${workload.name}.${killer.name}.${rowsOf(workload, killer).length}.log`;
    writeFileSync(join(options.logs, name), `${JSON.stringify(row)}\n${log}`);
  } catch (error) {
    say((error as Error).message); // the other cells are still measured
  }
}

function rowsOf(workload: Workload, killer: Killer): Row[] {
  const settings = settingsOf(workload, killer);
  return rows.filter((row) => row.settings === settings && row.kernel.startsWith(asked));
}

function settingsOf(workload: Workload, { name, command, service, files, group }: Killer): string {
  const settings = [workload, name, command, files, group, 'virtual time', ...(service ? [service] : [])];
  const hash = createHash('sha256').update(JSON.stringify(settings));
  return hash.update(programs).digest('hex').slice(0, 12);
}

function section(workload: Workload): string {
  const head = ['', 'right', 'lost', 'eaters', 'kernel', 'short for', 'stall', 'RSS', 'CPU', 'idle', 'runs'];
  const lines = chosen.killers.map((killer) => [killer.name, ...cells(rowsOf(workload, killer))]);
  return `${workload.name}: ${workload.about}\n${table([head, ...lines])}\n`;
}

/**
 * right: runs in which the offender ended and no innocent process did. lost: innocent processes that ended, over all
 * runs. eaters: offenders that ended, median. kernel: kills by the kernel's OOM killer, over all runs. The others are
 * medians. short for: from less than 10 % free until recovery. stall: longest stall of the heartbeat in a run. RSS
 * and CPU: of the killer during the workload. idle: CPU of the killer before it.
 */
function cells(found: readonly Row[]): string[] {
  if (found.length === 0) return [];
  const sum = (of: (row: Row) => number) => String(found.reduce((total, row) => total + of(row), 0));
  const middle = (of: (row: Row) => number) => summarize(found.map(of))?.p50 ?? 0;
  const seconds = middle(shortFor);
  const killer = found.some(({ rss_kib }) => rss_kib > 0);
  return [
    `${found.filter(isRight).length}/${found.length}`,
    sum(({ lost }) => lost),
    String(middle(({ eaten }) => eaten)),
    sum(({ kernel_kills }) => kernel_kills),
    Number.isFinite(seconds) ? `${seconds.toFixed(2)} s` : 'to the end',
    `${middle(({ stall_ms }) => stall_ms).toFixed(0)} ms`,
    killer ? `${(middle(({ rss_most_kib }) => rss_most_kib) / 1024).toFixed(1)} MiB` : '',
    killer ? `${(100 * middle(({ cpu }) => cpu)).toFixed(1)} %` : '',
    killer ? `${(100 * middle(({ idle_cpu }) => idle_cpu)).toFixed(2)} %` : '',
    String(found.length),
  ];
}

function isRight({ lost, eaten }: Row): boolean {
  return lost === 0 && eaten > 0;
}

function shortFor({ short_s, back_s }: Row): number {
  if (short_s < 0) return 0;
  return back_s < 0 ? Number.POSITIVE_INFINITY : back_s - short_s;
}

function outcome(row: Row): string {
  const back = shortFor(row);
  return (
    `${isRight(row) ? 'right' : 'wrong'}, ${row.lost} lost, ${row.eaten} eaters ended, ${row.kernel_kills} by the kernel, ` +
    `short for ${Number.isFinite(back) ? `${back.toFixed(2)} s` : 'the rest'}, stall ${row.stall_ms.toFixed(0)} ms`
  );
}

function choose<T extends { name: string }>(option: string, all: readonly T[], text: string): T[] {
  const wanted = all.filter(({ name }) => text.split(',').includes(name));
  if (wanted.length > 0) return wanted;
  throw new Error(`--${option}: expected some of ${all.map(({ name }) => name).join('; ')}, got "${text}"`);
}
