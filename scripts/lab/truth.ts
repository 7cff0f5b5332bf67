/**
 * The truth table: every scenario on every kernel, our events held against the kernel's own record.
 *
 *   npm run lab:truth -- [--kernel NAME]… [--scenario NAME]… [--core] [--json FILE]
 *
 * Exits 0 when all that ran is reconciled.
 */
import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { HookState } from '../../src/model/events.ts';
import { CORE } from '../../test/lab/core.ts';
import type { Result } from '../../test/lab/run.ts';
import { table } from '../bench/report.ts';
import { bootGuest, type CgroupSetup, kernels, LabError, lastLines } from './guest.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const RUN = ['node', '--experimental-strip-types', '--disable-warning=ExperimentalWarning', 'test/lab/run.ts'];
/** Guests at a time: as many as there are CPUs to emulate them on. */
const AT_ONCE = 2;
interface Column {
  title: string;
  results: Result[];
  hooks: HookState[];
  /** Why there are no results. */
  trouble?: string;
}

interface Place {
  title: string;
  run: (scenarios: readonly string[]) => Promise<Column>;
}

function host(): Place {
  return {
    title: 'this machine',
    run: (scenarios) =>
      new Promise((resolve) => {
        const [, ...args] = RUN;
        const child = spawn(process.execPath, [...args, ...scenarios], {
          cwd: ROOT,
          stdio: ['ignore', 'pipe', 'inherit'],
        });
        let text = '';
        child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
          text += chunk;
        });
        child.once('close', () => resolve(column('this machine', text)));
      }),
  };
}

function guest(kernel: string, cgroup: CgroupSetup): Place {
  const title = `${kernel} ${cgroup}`;
  return {
    title,
    async run(scenarios) {
      const shape = { memoryMib: 768, numa: 2, swap: 'zram', swapMib: 64, limitSeconds: 400 } as const;
      try {
        const result = await bootGuest({ kernel, cgroup, ...shape, command: [...RUN, ...scenarios] });
        const ended = column(title, result.stdout);
        if (result.timedOut || result.panicked) ended.trouble = lastLines(result);
        else if (result.exitCode > 1) ended.trouble = result.stderr;
        return ended;
      } catch (error) {
        if (!(error instanceof LabError)) throw error;
        if (error.code === 'NO_CGROUP_V1') return { title, results: [], hooks: [] };
        return { title, results: [], hooks: [], trouble: `${error.message}\n${error.detail ?? ''}` };
      }
    },
  };
}

function column(title: string, text: string): Column {
  const lines = text.split('\n').filter((line) => line.startsWith('{'));
  const [first, ...results] = lines.map((line) => JSON.parse(line));
  return { title, hooks: first?.hooks ?? [], results };
}

async function inTurns<T>(tasks: (() => Promise<T>)[], atOnce: number): Promise<T[]> {
  const done: T[] = [];
  let next = 0;
  const worker = async () => {
    for (let i = next++; i < tasks.length; i = next++) done[i] = await (tasks[i] as () => Promise<T>)();
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
  return done;
}

const marks = { reconciled: 'ok', different: 'DIFFERENT', 'not here': '-' } as const;

function render(columns: Column[]): string {
  const names = [...new Set(columns.flatMap(({ results }) => results.map(({ name }) => name)))];
  const cell = (of: Column, name: string) => {
    const result = of.results.find((one) => one.name === name);
    if (!result) return of.trouble ? 'NO RESULT' : '-';
    return result.state === 'reconciled' ? `ok ${result.kills}` : marks[result.state];
  };
  const form = (of: Column, hook: string) => {
    const used = of.hooks.find((one) => one.hook === hook);
    return used?.program ? (/\((.*)\)/.exec(used.reason)?.[1] ?? used.backend) : '-';
  };
  const hooks = ['mark_victim', 'process_exit', 'memcg_reclaim', 'exit_mmap'];
  const head = ['', ...columns.map(({ title }) => title)];
  const truth = table([head, ...names.map((name) => [name, ...columns.map((of) => cell(of, name))])]);
  const forms = columns.filter(({ hooks }) => hooks.length > 0);
  const prototypes = table([
    ['hook', ...hooks],
    ...forms.map((of) => [of.title, ...hooks.map((hook) => form(of, hook))]),
  ]);
  return `${truth}\nok N: N kills, all reconciled; -: cannot be there.\n\n${prototypes}`;
}

const { values } = parseArgs({
  options: {
    kernel: { type: 'string', multiple: true },
    scenario: { type: 'string', multiple: true },
    core: { type: 'boolean' },
    json: { type: 'string' },
  },
});
const wanted = values.scenario ?? (values.core ? CORE : []);
const chosen = values.kernel ?? kernels().map(({ name }) => name);
const places = [
  ...(values.kernel ? [] : [host()]),
  ...chosen.flatMap((kernel) => [guest(kernel, 'v2'), ...(values.core ? [] : [guest(kernel, 'v1')])]),
];
const columns = await inTurns(
  places.map((place) => async () => {
    const begin = performance.now();
    const ended = await place.run(wanted);
    process.stderr.write(
      `${place.title}: ${ended.results.length} scenarios, ${Math.round((performance.now() - begin) / 1000)} s\n`,
    );
    return ended;
  }),
  AT_ONCE,
);
process.stdout.write(render(columns));
let good = true;
for (const { title, results, trouble } of columns) {
  for (const { name, state, notes } of results) {
    if (state !== 'different') continue;
    good = false;
    process.stdout.write(`\n${title}, ${name}:\n${notes.map((note) => `  ${note}\n`).join('')}`);
  }
  if (trouble === undefined) continue;
  good = false;
  process.stdout.write(`\n${title} gave no full result:\n${trouble}\n`);
}
if (values.json)
  writeFileSync(values.json, `${JSON.stringify({ date: new Date().toISOString(), columns }, null, 2)}\n`);
process.exitCode = good ? 0 : 1;
