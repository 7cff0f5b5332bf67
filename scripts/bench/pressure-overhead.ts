/**
 * What watching costs: the same workload with and without a monitor, taking turns, by backend. The workload waits for
 * memory some thousand times a second; how much it gets done, and what CPU time it and the whole machine took for it, are
 * compared. And what a monitor costs where nothing is stalled: the CPU time of its process, and of a workload that does
 * nothing but switch between two threads.
 */
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { pressureChoices } from '../../dist/kernel/pressure-loader.js';
import { createMemoryGroup } from '../memory-cgroup.ts';
import { Child } from './child.ts';
import { circumstances, inWords, say, summarize, table, writeJson } from './report.ts';
import { buildRivals, built } from './rivals.ts';

const { values: options } = parseArgs({
  options: {
    rounds: { type: 'string', default: '12' },
    seconds: { type: 'string', default: '2' },
    json: { type: 'string' },
  },
});
const MIB = 2 ** 20;

interface Taken {
  /** Of work, in a second. */
  rate: number;
  /** Stalls in a second; 0 without a monitor. */
  stalls: number;
  /** CPU time of the monitor's process, of one CPU. */
  monitor: number;
}
const where = circumstances();
const { switches } = buildRivals('switches');
const group = createMemoryGroup({ limitBytes: 24 * MIB });
const backends = ['none', ...available()];
const taken = new Map<string, Taken[]>();

try {
  for (let round = -1; round < Number(options.rounds); round++) {
    for (const load of ['stalls', 'switches']) {
      for (const backend of round % 2 === 0 ? backends : backends.toReversed()) {
        const one = await turn(backend, load);
        if (round < 0) continue;
        const key = `${load} ${backend}`;
        taken.set(key, [...(taken.get(key) ?? []), one]);
      }
    }
    if (round % 4 === 0) say(`round ${round} of ${options.rounds}`);
  }
} finally {
  group.remove();
}
where.load_after = circumstances().load_before;
report();

/** Those that this kernel has. */
function available(): string[] {
  const best = (forced?: 'fentry' | 'kprobe') =>
    pressureChoices(forced).find(({ hook }) => hook === 'memstall_enter')?.backend;
  const exact = (['fentry', 'kprobe'] as const).filter((backend) => best(backend) === backend);
  return [...exact, 'tp_btf', 'raw_tp'];
}

async function turn(backend: string, load: string): Promise<Taken> {
  const monitor =
    backend === 'none'
      ? undefined
      : new Child([process.execPath, `${import.meta.dirname}/pressure-watcher.ts`, backend, group.cgroupPath]);
  await monitor?.line('ready');
  await sleep(300);
  const cpu = monitor ? cpuSeconds(monitor.pid) : 0;
  const words = ['--cgroup', group.path, '--seconds', options.seconds, '--file', '64M', '--sparse', '--threads', '2'];
  const child = load === 'stalls' ? new Child([built('thrash'), ...words]) : new Child([switches, options.seconds]);
  const work = JSON.parse(await child.line('{', 60_000)) as { pages: number; seconds: number };
  await child.end();
  let stalls = 0;
  let used = 0;
  if (monitor) {
    used = (cpuSeconds(monitor.pid) - cpu) / work.seconds;
    monitor.write('');
    stalls = Number((await monitor.line('stalls')).split(' ')[1]) / work.seconds;
    await monitor.end();
  }
  return { rate: work.pages / work.seconds, stalls, monitor: used };
}

/** All its threads, from /proc/PID/schedstat of each: nanoseconds. */
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
      const rate = median(all.map((one) => one.rate));
      // Round by round: what else the machine does, it does to both.
      const slower = median(all.map((one, i) => (without[i] ? 1 - one.rate / without[i].rate : 0)));
      return {
        load,
        backend,
        rate,
        slower,
        stalls: median(all.map((one) => one.stalls)),
        monitor: median(all.map((one) => one.monitor)),
      };
    });
  });
  const percent = (share: number) => `${(share * 100).toFixed(2)} %`;
  const lines = rows.map((row) => [
    `${row.load === 'stalls' ? 'waits for memory' : 'switches threads, no stall'}, ${row.backend === 'none' ? 'nobody watches' : row.backend}`,
    row.rate.toFixed(0),
    row.stalls.toFixed(0),
    row.backend === 'none' ? '' : percent(row.slower),
    row.backend === 'none' ? '' : percent(row.monitor),
  ]);
  const head = ['workload, backend', 'pages or switches/s', 'stalls/s', 'slower by (median)', 'monitor’s CPU'];
  process.stdout.write(`${inWords(where)}\n\n${table([head, ...lines])}\n`);
  for (const { load, backend, slower, stalls } of rows) {
    if (load !== 'stalls' || backend === 'none') continue;
    const at10k = stalls > 0 ? (slower * 10_000) / stalls : 0;
    const verdict = at10k < 0.01 ? 'met' : 'NOT met';
    process.stdout.write(
      `Goal: under 1 % at 10,000 stalls/s. ${backend}: ${percent(slower)} at ${stalls.toFixed(0)}, that is ${percent(at10k)} at 10,000: ${verdict}.\n`,
    );
  }
  writeJson(options.json, { benchmark: 'pressure-overhead', ...where, rows, rounds: Object.fromEntries(taken) });
}
