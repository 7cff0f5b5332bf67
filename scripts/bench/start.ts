/**
 * Measures the time from the start of the command to the death of the victim when memory is short already, with the same
 * configuration for `oomscope guard` and `oomscope run`, in turns.
 *
 *   npm -s run bench:start -- [--runs N] [--json FILE]
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { createMemoryGroup } from '../../src/demo/memory-group.ts';
import { Child } from './child.ts';
import { circumstances, inWords, summarize, table, writeJson } from './report.ts';
import { built } from './rivals.ts';

const { values: options } = parseArgs({
  options: { runs: { type: 'string', default: '10' }, json: { type: 'string' } },
});
const MIB = 2 ** 20;
const LIMIT_BYTES = 64 * MIB;
const HELD_BYTES = 61 * MIB;
const PATIENCE_MS = 20_000;
const GOAL_MS = 400;
const CLI = resolve(import.meta.dirname, '../../dist/cli/main.js');
const verbs = ['guard', 'run'] as const;

const where = circumstances();
const directory = mkdtempSync(join(tmpdir(), 'oomscope-bench-start-'));
const ms: Record<(typeof verbs)[number], number[]> = { guard: [], run: [] };
let missed = 0;
try {
  for (let i = 0; i < Number(options.runs); i++) for (const verb of verbs) await measure(verb);
} finally {
  rmSync(directory, { recursive: true });
}
where.load_after = circumstances().load_before;
report();

async function measure(verb: (typeof verbs)[number]): Promise<void> {
  const group = createMemoryGroup({ limitBytes: LIMIT_BYTES });
  const file = join(directory, 'oomscope.toml');
  writeFileSync(
    file,
    `[guard]
mode = "enforce"
[[guard.rule]]
name = "short"
on = "${group.cgroupPath}"
when = ["available < 10 %"]
steps = [{ do = "kill" }]
`,
  );
  const hog = spawn(built('hog'), ['--cgroup', group.path, '--hold', String(HELD_BYTES)], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  await once(hog.stdout, 'data');
  const dead = once(hog, 'exit').then(() => performance.now());
  const begin = performance.now();
  const guard = new Child([process.execPath, CLI, verb, '--config', file], { stdio: ['ignore', 'ignore', 'ignore'] });
  const end = await Promise.race([dead, sleep(PATIENCE_MS, undefined)]);
  if (end === undefined) missed++;
  else ms[verb].push(end - begin);
  await guard.end();
  hog.kill('SIGKILL');
  await dead;
  group.remove();
}

function report(): void {
  const rows = verbs.map((verb) => {
    const s = summarize(ms[verb]);
    const figures = s ? [s.min, s.p50, s.p90, s.max].map((value) => value.toFixed(0)) : [];
    return [`oomscope ${verb}`, String(ms[verb].length), ...figures];
  });
  process.stdout.write(`${inWords(where)}\n\n`);
  process.stdout.write(
    table([['ms from start to kill, memory short already', 'runs', 'min', 'p50', 'p90', 'max'], ...rows]),
  );
  if (missed > 0) process.stdout.write(`${missed} victims were still there after ${PATIENCE_MS / 1000} s.\n`);
  for (const verb of verbs) {
    const p50 = summarize(ms[verb])?.p50 ?? Number.POSITIVE_INFINITY;
    const met = p50 <= GOAL_MS ? 'met' : 'NOT met';
    process.stdout.write(`Goal: ${verb}: p50 ≤ ${GOAL_MS} ms. Measured: ${p50.toFixed(0)} ms: ${met}.\n`);
  }
  writeJson(options.json, { benchmark: 'start', ...where, missed, ms });
}
