/**
 * Measures the time from the begin of a stall until a handler has it, until its JSON line is on the pipe, and from the
 * decision on a level until its alert is on the wire: with and without real-time priority, on a machine at rest and with
 * all CPUs busy. The monitors run one after the other, and what reads the pipe and the wire has real-time priority.
 *
 *   npm -s run bench:pressure-paths -- [--storms N] [--json FILE]
 */
import { resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { createMemoryGroup } from '../../src/demo/memory-group.ts';
import { Child } from './child.ts';
import { onlineCpus } from './cpus.ts';
import type { Stamps } from './pressure-reader.ts';
import { circumstances, inWords, type Summary, say, summarize, table, writeJson } from './report.ts';
import { buildRivals, built } from './rivals.ts';

const { values: options } = parseArgs({
  options: { storms: { type: 'string', default: '10' }, json: { type: 'string' } },
});
const MIB = 2 ** 20;
const BUSY_PER_CPU = 2;
const STORM_SECONDS = '0.5';
const REST_MS = 1700; // the level becomes normal a second after a storm, and the next storm begins an episode
const FIFO = ['chrt', '--reset-on-fork', '--fifo', '20'];
const COMMAND = resolve(import.meta.dirname, '../oomscope.sh');
const rows: { label: string; busy: boolean; samples: number[] }[] = [];

const where = circumstances();
const { 'line-stamper': stamper } = buildRivals('line-stamper');
const group = createMemoryGroup({ limitBytes: 24 * MIB });
const receiver = new Child([...FIFO, process.execPath, '--experimental-strip-types', script('receiver')]);
const alerts: [decidedNs: number, atNs: number][] = [];
const distress: Child[] = [];
try {
  const url = await receiver.line('http');
  receiver.onLine = (line) => {
    const [, decidedNs = 0, atNs = 0] = line.split(' ').map(Number);
    alerts.push([decidedNs, atNs]);
  };
  for (const busy of [false, true]) {
    if (busy) {
      where.load_after = circumstances().load_before; // without the load that the benchmark makes itself
      keepBusy();
    }
    await handler(busy, []);
    await handler(busy, ['chrt', '--fifo', '1']);
    await command(busy, url, []);
    await command(busy, url, ['--realtime']);
    say(busy ? 'measured with all CPUs busy' : 'measured at rest');
  }
} finally {
  await Promise.all([receiver, ...distress].map((child) => child.end('SIGKILL')));
  group.remove();
}
report();

function script(name: string): string {
  return `${import.meta.dirname}/pressure-${name}.ts`;
}

function keepBusy(): void {
  const busy = ['sh', '-c', 'while :; do :; done'];
  for (let i = 0; i < BUSY_PER_CPU * onlineCpus().length; i++) distress.push(new Child(busy, { stdio: 'ignore' }));
}

/** One storm of stalls, by a process that has to compete for a CPU, too. */
async function storm(): Promise<void> {
  const words = ['--cgroup', group.path, '--seconds', STORM_SECONDS, '--file', '64M', '--threads', '2'];
  const thrash = new Child([built('thrash'), ...words, '--work', '512', '--pause', '3000']);
  await thrash.line('{', 20_000);
  await sleep(REST_MS);
}

async function handler(busy: boolean, ahead: string[]): Promise<void> {
  const reader = new Child([...ahead, process.execPath, script('reader'), group.cgroupPath]);
  const samples: number[] = [];
  await reader.line('ready');
  for (let i = -1; i < Number(options.storms); i++) {
    await storm();
    reader.write('');
    const { stalls } = JSON.parse(await reader.line('{')) as Stamps;
    if (i >= 0) for (const [beginNs, atNs] of stalls) samples.push((atNs - beginNs) / 1e6);
  }
  await reader.end();
  rows.push({ label: `stall to the handler of stalls$${ahead.length > 0 ? ', chrt --fifo 1' : ''}`, busy, samples });
}

async function command(busy: boolean, url: string, more: string[]): Promise<void> {
  const words = ['pressure', '--json', '--stall', '0', '--profile', 'fast', '--cgroup', group.cgroupPath];
  const stamped = new Child([...FIFO, stamper, COMMAND, ...words, '--alert', `webhook=${url}/`, ...more]);
  const lines: number[] = [];
  let measuring = false;
  stamped.onLine = (line) => {
    const [, beginNs = 0, atNs = 0] = line.split(' ').map(Number);
    if (measuring && line.startsWith('stall')) lines.push((atNs - beginNs) / 1e6);
  };
  await stamped.line('ready');
  for (let i = -1; i < Number(options.storms); i++) {
    await storm();
    if (i < 0) alerts.length = 0;
    measuring = true;
  }
  await stamped.end();
  const suffix = more.length > 0 ? ` ${more.join(' ')}` : '';
  const sent = alerts.splice(0).map(([decidedNs, atNs]) => (atNs - decidedNs) / 1e6);
  rows.push({ label: `stall to its line of pressure --json${suffix}`, busy, samples: lines });
  rows.push({ label: `level to its alert at the webhook${suffix}`, busy, samples: sent });
}

function report(): void {
  const ms = (value: number) => value.toFixed(3);
  const lines = rows.map(({ label, busy, samples }) => {
    const s: Summary | undefined = summarize(samples);
    const name = `${busy ? 'all CPUs busy' : 'at rest'}: ${label}`;
    return [name, String(samples.length), ...(s ? [ms(s.p50), ms(s.p90), ms(s.p99), ms(s.max)] : [])];
  });
  process.stdout.write(`${inWords(where)}\n\n${table([['ms', 'times', 'p50', 'p90', 'p99', 'max'], ...lines])}`);
  writeJson(options.json, { benchmark: 'pressure-paths', unit: 'ms', ...where, rows });
}
