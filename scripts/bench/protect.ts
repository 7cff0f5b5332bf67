/**
 * Measures how soon `oomscope protect apply --watch` sets oom_score_adj: the time from the exec in the kernel until the
 * value is written and read back, on the machine as it is and with all CPUs busy. It changes only processes of a
 * program that the benchmark made.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, copyFileSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { Child } from './child.ts';
import { circumstances, inWords, say, summarize, table, writeJson } from './report.ts';

const { values: options } = parseArgs({
  options: { execs: { type: 'string', default: '200' }, json: { type: 'string' } },
});
const MOST_MS = 10;
const CLI = `${import.meta.dirname}/../../dist/cli/main.js`;
const execs = Number(options.execs);

const where = circumstances();
const directory = mkdtempSync(join(tmpdir(), 'oomscope-bench-'));
const exe = join(directory, 'sleeper');
copyFileSync(realpathSync('/bin/sleep'), exe);
chmodSync(exe, 0o755);
const profiles = join(directory, 'profiles.toml');
writeFileSync(profiles, `[[profile]]\nname = "ours"\noom_score_adj = 250\nexe = ${JSON.stringify(exe)}\n`);

const args = [
  'protect',
  'apply',
  'ours',
  '--profiles',
  profiles,
  '--state-file',
  join(directory, 'undo'),
  '--watch',
  '--json',
];
const rows: { name: string; samples_ms: number[]; missed: number }[] = [];
try {
  for (const more of [[], ['--realtime']]) {
    const watch = new Child([process.execPath, CLI, ...args, ...more], { stdio: ['pipe', 'pipe', 'pipe'] });
    const burners: Child[] = [];
    try {
      await sleep(2000); // by then the command watches; it prints no line that says so
      rows.push(await measure(watch, `--watch ${more}`.trim()));
      for (let i = 0; i < availableParallelism(); i++) burners.push(new Child(['sh', '-c', 'while :; do :; done']));
      rows.push(await measure(watch, `${`--watch ${more}`.trim()}, all CPUs busy`));
    } finally {
      await Promise.all([watch, ...burners].map((child) => child.end('SIGKILL')));
    }
  }
} finally {
  rmSync(directory, { recursive: true });
}
where.load_after = circumstances().load_before;
report();

async function measure(watch: Child, name: string): Promise<(typeof rows)[number]> {
  const ms = new Map<number, number>();
  watch.onLine = (line) => {
    const { pid, outcome, exec_to_written_ns: ns } = JSON.parse(line);
    if (outcome === 'done' && ns !== null) ms.set(pid, ns / 1e6);
  };
  for (let i = 0; i < execs; i++) {
    const child = spawn(exe, ['600'], { stdio: 'ignore' });
    const ended = once(child, 'exit');
    await sleep(20 + Math.random() * 20);
    child.kill('SIGKILL');
    await ended;
    if (i % 50 === 0) say(`${name}: ${i} of ${execs}`);
  }
  await sleep(200);
  return { name, samples_ms: [...ms.values()], missed: execs - ms.size };
}

function report(): void {
  const ms = (value: number | undefined) => value?.toFixed(2) ?? '';
  const lines = rows.map(({ name, samples_ms, missed }) => {
    const s = summarize(samples_ms);
    return [name, String(s?.count ?? 0), ms(s?.p50), ms(s?.p90), ms(s?.p99), ms(s?.max), String(missed)];
  });
  const head = ['ms from exec to the value', 'execs', 'p50', 'p90', 'p99', 'max', 'missed'];
  process.stdout.write(`${inWords(where)}\n\n${table([head, ...lines])}\n`);
  for (const { name, samples_ms, missed } of rows) {
    const late = samples_ms.filter((each) => each > MOST_MS).length;
    const met = late === 0 && missed === 0 ? 'met' : 'NOT met';
    process.stdout.write(
      `Goal: ${name}: within ${MOST_MS} ms: ${execs - late - missed} of ${execs}, at worst ${ms(summarize(samples_ms)?.max)} ms, ${met}.\n`,
    );
  }
  writeJson(options.json, { benchmark: 'protect', unit: 'ms', ...where, rows });
}
