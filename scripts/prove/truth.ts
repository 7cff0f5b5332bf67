/**
 * Compares the events of oomscope with the kernel log and the kernel's counters, for every scenario on every kernel.
 *
 *   npm run prove:truth -- [--arch ARCHITECTURE] [--kernel NAME]… [--scenario NAME]… [--core]
 *     [--unprivileged] [--fresh] [--part PART]... [--write]
 *
 * --arch arm64: uses only guests of this architecture, and not this machine. --unprivileged: the tracer runs as a
 * user with only the capabilities that tracing needs. Exits with code 0 when the events of every scenario agree with
 * the kernel.
 */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { CORE } from '../../test/lab/core.ts';
import { RUN, type Run, readRuns, runInGuest } from '../../test/lab/runs.ts';
import { scenarios } from '../../test/lab/scenarios.ts';
import { table } from '../bench/report.ts';
import { type Architecture, bootGuest, type CgroupSetup, kernels, LabError, lastLines } from '../lab/guest.ts';
import { proofOptions, prove } from './proof.ts';

const ROOT = join(import.meta.dirname, '..', '..');
interface Column extends Run {
  title: string;
  /** Why there are no results. undefined: there are results. */
  trouble?: string;
}

interface Place {
  title: string;
  /** @param words the arguments of run.ts */
  run: (words: readonly string[]) => Promise<Column>;
}

function host(): Place {
  const title = 'this machine';
  return {
    title,
    run: (words) =>
      new Promise((resolve) => {
        const [, ...args] = RUN;
        const child = spawn(process.execPath, [...args, ...words], { cwd: ROOT, stdio: ['ignore', 'pipe', 'inherit'] });
        let text = '';
        child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
          text += chunk;
        });
        child.once('close', (code, signal) => resolve(column(title, text, signal ?? `exit ${code}`)));
      }),
  };
}

function guest(architecture: Architecture, kernel: string, cgroup: CgroupSetup): Place {
  const title = [kernel, cgroup, ...(architecture === 'x64' ? [] : [architecture])].join(' ');
  return {
    title,
    async run(words) {
      const shape = { memoryMib: 768, numa: 2, swap: 'zram', swapMib: 64, limitSeconds: 600 } as const;
      try {
        const result = await bootGuest({ architecture, kernel, cgroup, ...shape, command: runInGuest([words]) });
        const failed = result.timedOut || result.panicked;
        const end = failed ? lastLines(result) : `exit ${result.exitCode}\n${result.stderr}`;
        return column(title, result.stdout, end);
      } catch (error) {
        if (!(error instanceof LabError)) throw error;
        const none = { title, results: [], hooks: [] };
        if (error.code === 'NO_CGROUP_V1') return none;
        return { ...none, trouble: `${error.message}\n${error.detail ?? ''}` };
      }
    },
  };
}

/** @param end how the run ended; it is the reason if a scenario has no result */
function column(title: string, text: string, end: string): Column {
  const { hooks, results } = readRuns(text)[0] ?? { hooks: [], results: [] };
  const complete = names.every((name) => results.some((one) => one.name === name));
  return { title, hooks, results, ...(!complete && { trouble: end }) };
}

/** Hooks whose tracepoint differs between kernels, and the hook that has several implementations. */
const PROTOTYPES = {
  mark_victim: 'mark_victim',
  process_exit: 'sched_process_exit',
  memcg_reclaim: 'mm_vmscan_memcg_reclaim_begin',
  direct_reclaim: 'mm_vmscan_direct_reclaim_begin',
  exit_mmap: 'exit_mmap',
  oom_control: 'oom_control',
};
const marks = { reconciled: 'ok', different: 'DIFFERENT', 'not here': '-' } as const;

function render(columns: Column[]): string {
  const cell = (of: Column, name: string) => {
    const result = of.results.find((one) => one.name === name);
    if (!result) return of.trouble ? 'NO RESULT' : '-';
    return result.state === 'reconciled' ? `ok ${result.kills}` : marks[result.state];
  };
  const served = (of: Column, hook: string) => {
    const used = of.hooks.find((one) => one.hook === hook);
    const prototype = used?.program ? /^\w+(\(.*\)) in the kernel's BTF/.exec(used.reason)?.[1] : undefined;
    return [used?.backend ?? '-', ...(prototype ? [prototype] : [])].join(' ');
  };
  const hooks = Object.keys(PROTOTYPES);
  const head = ['', ...columns.map(({ title }) => title)];
  const truth = table([head, ...names.map((name) => [name, ...columns.map((of) => cell(of, name))])]);
  const forms = columns.filter(({ hooks }) => hooks.length > 0);
  const prototypes = table([
    ['served by', ...Object.values(PROTOTYPES)],
    ...forms.map((of) => [of.title, ...hooks.map((hook) => served(of, hook))]),
  ]);
  return `${truth}\nok N: N kills, all agree with the kernel; -: the scenario cannot run there.\n\n${prototypes}`;
}

const { values } = parseArgs({
  options: {
    ...proofOptions,
    arch: { type: 'string', default: 'x64' },
    kernel: { type: 'string', multiple: true },
    scenario: { type: 'string', multiple: true },
    core: { type: 'boolean' },
    unprivileged: { type: 'boolean' },
  },
});
const names = values.scenario ?? (values.core ? CORE : scenarios.map(({ name }) => name));
const words = values.unprivileged ? ['--unprivileged', ...names] : names;
const architecture = values.arch as Architecture; // bootGuest() refuses an unknown architecture
const chosen = values.kernel ?? kernels(architecture).map(({ name }) => name);
const places = [
  ...(values.kernel || architecture !== 'x64' ? [] : [host()]),
  ...chosen.flatMap((kernel) =>
    (values.core ? (['v2'] as const) : (['v2', 'v1'] as const)).map((cgroup) => guest(architecture, kernel, cgroup)),
  ),
];

async function checked(place: Place): Promise<Column> {
  const of = await place.run(words);
  const different = of.results
    .filter(({ state }) => state === 'different')
    .map(({ name, notes }) => `${name}:\n${notes.map((note) => `  ${note}`).join('\n')}`);
  if (of.trouble !== undefined) different.push(`no full result:\n${of.trouble}`);
  if (different.length > 0) throw new Error(different.join('\n'));
  return of;
}

await prove<Column>(
  {
    name: 'truth',
    claim: "Every event of every scenario agrees with the kernel's own log and counters, on every kernel of the lab.",
    parts: places.map((place) => ({
      name: [
        place.title,
        ...(values.unprivileged ? ['unprivileged'] : []),
        ...(values.core ? ['core'] : []),
        ...(values.scenario ?? []),
      ].join(' '),
      run: () => checked(place),
    })),
    render: (parts) =>
      render(parts.map(({ name, figures }) => figures ?? { title: name, hooks: [], results: [], trouble: 'failed' })),
  },
  values,
);
