/**
 * The output of every benchmark: percentiles, a table, and a JSON file that records how the figures were taken.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus, loadavg, release, totalmem } from 'node:os';

export interface Summary {
  count: number;
  min: number;
  p50: number;
  p90: number;
  p99: number;
  max: number;
}

/** Percentiles by nearest rank: every figure is a measured value. undefined for no values. */
export function summarize(values: readonly number[]): Summary | undefined {
  const sorted = values.toSorted((a, b) => a - b);
  const rank = (part: number) => sorted[Math.max(0, Math.ceil(part * sorted.length) - 1)] as number;
  if (sorted.length === 0) return undefined;
  return { count: sorted.length, min: rank(0), p50: rank(0.5), p90: rank(0.9), p99: rank(0.99), max: rank(1) };
}

/** Renders a table. The first row is the head. The first column contains words, the others contain numbers. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => (row[column] ?? '').length)));
  const lines = rows.map((row) =>
    widths.map((width, i) => (i === 0 ? (row[i] ?? '').padEnd(width) : (row[i] ?? '').padStart(width))).join('  '),
  );
  lines.splice(1, 0, widths.map((width) => '-'.repeat(width)).join('  '));
  return `${lines.map((line) => line.trimEnd()).join('\n')}\n`;
}

/** The machine, the time and the state of the sources when the figures were measured. */
export interface Circumstances {
  date: string;
  commit: string;
  kernel: string;
  kernel_command_line: string;
  cpu: string;
  cpus: number;
  memory_bytes: number;
  node: string;
  load_before: number[];
  load_after: number[];
  command: string;
}

export function circumstances(): Circumstances {
  return {
    date: new Date().toISOString(),
    commit: commit(),
    kernel: release(),
    kernel_command_line: readFileSync('/proc/cmdline', 'utf8').trim(),
    cpu: cpus()[0]?.model ?? 'unknown',
    cpus: availableParallelism(),
    memory_bytes: totalmem(),
    node: process.version,
    load_before: loadavg(),
    load_after: [],
    command:
      `npm run bench:${(process.argv[1] ?? '').replace(/.*\/|\.ts$/g, '')} -- ${process.argv.slice(2).join(' ')}`.trim(),
  };
}

/** One line for people, and a second line if other work used the CPUs, because this makes the longest times longer. */
export function inWords(where: Circumstances): string {
  const loads = [where.load_before, where.load_after].flatMap((load) => load.slice(0, 1));
  const load = loads.map((one) => one.toFixed(2)).join(' to ');
  const machine = `Linux ${where.kernel}, ${where.cpus} CPUs (${where.cpu}), Node ${where.node}`;
  const busy =
    Math.max(...loads) > where.cpus ? '\nNOT a quiet machine: other processes kept its CPUs busy; measure again.' : '';
  return `${where.date}, ${machine}, load ${load}, ${where.commit}${busy}`;
}

export function writeJson(file: string | undefined, figures: object): void {
  if (file !== undefined) writeFileSync(file, `${JSON.stringify(figures, null, 2)}\n`);
}

export function say(sentence: string): void {
  process.stderr.write(`bench: ${sentence}\n`);
}

function commit(): string {
  const git = (...args: string[]) =>
    execFileSync('git', args, {
      cwd: import.meta.dirname,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim();
  try {
    return `${git('rev-parse', '--short', 'HEAD')}${git('status', '--porcelain') === '' ? '' : ' with changes'}`;
  } catch {
    return 'unknown commit';
  }
}
