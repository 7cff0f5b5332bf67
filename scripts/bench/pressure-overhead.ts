/**
 * Measures the cost of monitoring pressure: the same workload with and without a monitor, in turns, by backend. One
 * workload waits for memory some thousand times a second; another only switches between two threads and never stalls.
 * The result is the CPU time for one page or one switch. It includes the time of the hooks and, unlike the rate, does
 * not depend on other work of the machine. A second result is the time in the hooks as the kernel counts it
 * (kernel.bpf_stats_enabled), and in the BPF timer. Counting costs time, so it is done in separate rounds.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { pressureChoices } from '../../dist/bpf/load/pressure-loader.js';
import { createMemoryGroup } from '../../src/demo/memory-group.ts';
import { Child } from './child.ts';
import type { Account, Cost } from './pressure-account.ts';
import { circumstances, inWords, say, summarize, table, writeJson } from './report.ts';
import { buildRivals, built } from './rivals.ts';

const { values: options } = parseArgs({
  options: {
    rounds: { type: 'string', default: '12' },
    accounts: { type: 'string', default: '3' },
    seconds: { type: 'string', default: '2' },
    json: { type: 'string' },
  },
});
const MIB = 2 ** 20;

interface Taken {
  /** Nanoseconds of CPU time for a page or a switch. */
  cpuNs: number;
  /** Pages or switches per second. */
  rate: number;
  /** Per second, what each BPF program cost. Empty in rounds without the kernel's count. */
  costs: Record<string, Cost>;
  /** Stalls per second; 0 without a monitor. */
  stalls: number;
  /** CPU time of the monitor's process, as a share of one CPU. */
  monitor: number;
}
const STATS = '/proc/sys/kernel/bpf_stats_enabled';
const statsBefore = readFileSync(STATS, 'utf8');
writeFileSync(STATS, '1');
const where = circumstances();
const { switches } = buildRivals('switches');
const group = createMemoryGroup({ limitBytes: 24 * MIB });
const backends = ['none', ...available()];
const taken = new Map<string, Taken[]>();

try {
  for (let round = -Number(options.accounts); round < Number(options.rounds); round++) {
    if (round === 0) writeFileSync(STATS, statsBefore);
    for (const load of ['stalls', 'switches']) {
      for (const backend of round % 2 === 0 ? backends : backends.toReversed()) {
        const one = await turn(backend, load, round < 0 ? 'pressure-account' : 'pressure-watcher');
        // The first rounds warm up, and include the kernel's count.
        const key = `${round < 0 ? 'account ' : ''}${load} ${backend}`;
        taken.set(key, [...(taken.get(key) ?? []), one]);
      }
    }
    if (round % 4 === 0) say(`round ${round} of ${options.rounds}`);
  }
} finally {
  group.remove();
  writeFileSync(STATS, statsBefore);
}
where.load_after = circumstances().load_before;
report();

/** The backends that this kernel supports. */
function available(): string[] {
  const best = (forced?: 'fentry' | 'kprobe') =>
    pressureChoices(forced).find(({ hook }) => hook === 'memstall_enter')?.backend;
  const exact = (['fentry', 'kprobe'] as const).filter((backend) => best(backend) === backend);
  return [...exact, 'tp_btf', 'raw_tp'];
}

async function turn(backend: string, load: string, watcher: 'pressure-account' | 'pressure-watcher'): Promise<Taken> {
  const monitor =
    backend === 'none'
      ? undefined
      : new Child([process.execPath, `${import.meta.dirname}/${watcher}.ts`, backend, group.cgroupPath]);
  await monitor?.line('ready');
  await sleep(300);
  const accounting = watcher === 'pressure-account' ? monitor : undefined;
  const before = await account(accounting);
  const cpu = monitor ? cpuSeconds(monitor.pid) : 0;
  const words = ['--cgroup', group.path, '--seconds', options.seconds, '--file', '64M', '--sparse', '--threads', '2'];
  const child = load === 'stalls' ? new Child([built('thrash'), ...words]) : new Child([switches, options.seconds]);
  const work = JSON.parse(await child.line('{', 60_000)) as {
    pages: number;
    seconds: number;
    cpu_seconds: number;
  };
  const after = await account(accounting);
  await child.end();
  let stalls = (after.stalls - before.stalls) / work.seconds;
  let used = 0;
  if (monitor) {
    used = (cpuSeconds(monitor.pid) - cpu) / work.seconds;
    if (!accounting) {
      monitor.write('');
      stalls = Number((await monitor.line('stalls')).split(' ')[1]) / work.seconds;
    }
    await monitor.end();
  }
  const costs = Object.entries(after.costs).map(([name, { runs, ns }]): [string, Cost] => {
    const was = before.costs[name] ?? { runs: 0, ns: 0 };
    return [name, { runs: (runs - was.runs) / work.seconds, ns: (ns - was.ns) / work.seconds }];
  });
  return {
    cpuNs: (work.cpu_seconds * 1e9) / work.pages,
    rate: work.pages / work.seconds,
    costs: Object.fromEntries(costs),
    stalls,
    monitor: used,
  };
}

async function account(monitor: Child | undefined): Promise<Account> {
  monitor?.write('');
  return monitor ? JSON.parse(await monitor.line('{')) : { stalls: 0, costs: {} };
}

/** The CPU time of all threads of the process, in seconds. */
function cpuSeconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

function report(): void {
  const median = (values: number[]) => summarize(values)?.p50 ?? 0;
  const rows = ['stalls', 'switches'].flatMap((load) => {
    const without = taken.get(`${load} none`) ?? [];
    return backends.map((backend) => {
      const all = taken.get(`${load} ${backend}`) ?? [];
      const accounts = (taken.get(`account ${load} ${backend}`) ?? []).map(sumOf);
      const cpuNs = median(all.map((one) => one.cpuNs));
      // The two values of each round are compared, so that other work of the machine affects both equally.
      const more = median(all.map((one, i) => (without[i] ? one.cpuNs / without[i].cpuNs - 1 : 0)));
      return {
        load,
        backend,
        cpuNs,
        more,
        /** Share of one CPU that the hooks and the timer use. */
        inHooks: median(accounts.map(({ ns }) => ns)) / 1e9,
        perStall: median(accounts.map(({ ns, stalls }) => (stalls > 0 ? ns / stalls : 0))),
        perRun: median(accounts.map(({ ns, runs }) => (runs > 0 ? ns / runs : 0))),
        stalls: median(all.map((one) => one.stalls)),
        monitor: median(all.map((one) => one.monitor)),
      };
    });
  });
  const percent = (share: number) => `${(share * 100).toFixed(2)} %`;
  const lines = rows.map((row) => [
    `${row.load === 'stalls' ? 'waits for memory' : 'switches threads, no stall'}, ${row.backend === 'none' ? 'no monitor' : row.backend}`,
    row.cpuNs.toFixed(0),
    ...(row.backend === 'none'
      ? ['', '', '', '', '', '']
      : [
          percent(row.more),
          row.stalls.toFixed(0),
          percent(row.inHooks),
          row.perStall.toFixed(0),
          row.perRun.toFixed(0),
          percent(row.monitor),
        ]),
  ]);
  const head = [
    'workload, backend',
    'CPU ns each',
    'more (median)',
    'stalls/s',
    'in hooks, of a CPU',
    'ns a stall',
    'ns a hook',
    'monitor’s CPU',
  ];
  process.stdout.write(`${inWords(where)}\n\n${table([head, ...lines])}\n${table(programs())}\n`);
  for (const { load, backend, perStall } of rows) {
    if (load !== 'stalls' || backend === 'none') continue;
    const at10k = (perStall * 10_000) / 1e9 / where.cpus;
    const verdict = at10k < 0.01 ? 'met' : 'NOT met';
    process.stdout.write(
      `Goal: under 1 % of the machine at 10,000 stalls/s. ${backend}: ${percent(at10k)} by the time in hooks and timer: ${verdict}.\n`,
    );
  }
  writeJson(options.json, { benchmark: 'pressure-overhead', ...where, rows, rounds: Object.fromEntries(taken) });
}

/** Sums the costs of all programs. */
function sumOf({ costs, stalls }: Taken): Cost & { stalls: number } {
  const all = Object.values(costs);
  const sum = (of: (cost: Cost) => number) => all.reduce((total, cost) => total + of(cost), 0);
  return { runs: sum(({ runs }) => runs), ns: sum(({ ns }) => ns), stalls };
}

/** Rows of the programs that run for stalls: runs for each stall, nanoseconds for each run. */
function programs(): string[][] {
  const rows = backends.flatMap((backend) => {
    const all = taken.get(`account stalls ${backend}`) ?? [];
    return Object.keys(all[0]?.costs ?? {}).flatMap((name) => {
      const of = (value: (cost: Cost, stalls: number) => number) =>
        summarize(all.map(({ costs, stalls }) => value(costs[name] ?? { runs: 0, ns: 0 }, stalls)))?.p50 ?? 0;
      const runs = of((cost, stalls) => (stalls > 0 ? cost.runs / stalls : 0));
      if (runs < 0.01) return [];
      return [
        [`${backend}, ${name}`, runs.toFixed(2), of((cost) => (cost.runs > 0 ? cost.ns / cost.runs : 0)).toFixed(0)],
      ];
    });
  });
  return [['waits for memory, backend, program', 'runs a stall', 'ns a run'], ...rows];
}
