/**
 * Measures the time from the first stall of a task on memory until each reader reports it. Storms of reclaim in a small
 * memory cgroup follow each other, and every reader watches each storm. The time begins at the storm's first stall,
 * by the kernel's clock. For oomscope, every single stall is measured, too.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { createMemoryGroup } from '../../src/demo/memory-group.ts';
import { Child } from './child.ts';
import type { Stamps } from './pressure-reader.ts';
import { circumstances, inWords, type Summary, say, summarize, table, writeJson } from './report.ts';
import { buildRivals, built } from './rivals.ts';

const { values: options } = parseArgs({
  options: {
    storms: { type: 'string', default: '20' },
    seconds: { type: 'string', default: '1' },
    json: { type: 'string' },
  },
});
const MIB = 2 ** 20;
/**
 * A PSI trigger that needs no CAP_SYS_RESOURCE. 20 ms in 2 s is the smallest value that a single stall does not
 * reach.
 */
const TRIGGER = 'some 20000 2000000';
/**
 * All readers run with real-time priority, as a monitor should. A nice value is not enough if it only counts within a
 * session (kernel.sched_autogroup_enabled): then a reader waits up to 0.1 s for a CPU.
 */
const FIFO = ['chrt', '--fifo', '1'];
const AHEAD = spawnSync('chrt', ['--fifo', '1', 'true']).status === 0 ? FIFO : []; // needs CAP_SYS_NICE
const REST_MS = 500; // this rest plus the time before and after a storm is longer than the trigger's window

const where = circumstances();
const { 'psi-poll': psiPoll } = buildRivals('psi-poll');
const group = createMemoryGroup({ limitBytes: 24 * MIB });
const home = mkdtempSync(join(tmpdir(), 'psi-notify-'));
/** For each rival: the time of its first report in each storm. */
const fired = { trigger: [] as number[], file: [] as number[], notify: [] as number[] };
const children: Child[] = [];
const stalls: number[] = [];
const firsts: number[] = [];
const lows: number[] = [];
const levelHandlers: number[] = [];
let lost = 0;
const first: Record<keyof typeof fired, number[]> = { trigger: [], file: [], notify: [] };
const missed = { trigger: 0, file: 0, notify: 0 };

try {
  const trigger = await rival([psiPoll, 'trigger', TRIGGER], 'trigger');
  const file = await rival([psiPoll, 'file', '100'], 'file');
  const reader = new Child([...AHEAD, process.execPath, `${import.meta.dirname}/pressure-reader.ts`, group.cgroupPath]);
  children.push(trigger, file, reader);
  await reader.line('ready');
  for (let storm = -1; storm < Number(options.storms); storm++) {
    await sleep(REST_MS);
    for (const times of Object.values(fired)) times.length = 0;
    const notify = psiNotify();
    await sleep(300);
    reader.write('');
    await reader.line('{');
    const words = ['--cgroup', group.path, '--seconds', options.seconds, '--file', '64M', '--threads', '2'];
    const thrash = new Child([built('thrash'), ...words, '--work', '512', '--pause', '3000']);
    await thrash.line('{', 20_000);
    await sleep(3200); // PSI's averages change every 2 s, and psi-notify samples once a second
    await notify?.end();
    reader.write('');
    const stamps = JSON.parse(await reader.line('{')) as Stamps;
    if (storm >= 0) take(stamps);
    if (storm % 5 === 0) say(`storm ${storm} of ${options.storms}`);
  }
} finally {
  await Promise.all(children.map((child) => child.end()));
  group.remove();
  rmSync(home, { recursive: true, force: true });
}
where.load_after = circumstances().load_before;
report();

async function rival(command: string[], name: keyof typeof fired): Promise<Child> {
  const child = new Child([...AHEAD, ...command]);
  await child.line('ready');
  child.onLine = (line) => fired[name].push(Number(line.split(' ')[1]));
  return child;
}

/**
 * Starts Debian's psi-notify. It samples avg10 at its shortest interval, with a threshold a little above the present
 * value. Each storm gets a new process, because psi-notify only reports changes. undefined: psi-notify is not
 * available.
 */
function psiNotify(): Child | undefined {
  if (process.geteuid?.() === 0 && spawnSync('which', ['psi-notify']).status !== 0) {
    say('installing psi-notify, to compare with');
    spawnSync('apt-get', ['-qq', 'install', '-y', '--no-install-recommends', 'psi-notify'], { stdio: 'ignore' });
  }
  if (spawnSync('which', ['psi-notify']).status !== 0) return undefined;
  mkdirSync(join(home, '.config'), { recursive: true });
  const now = Number(/^some avg10=([\d.]+)/.exec(readFileSync('/proc/pressure/memory', 'utf8'))?.[1]);
  const settings = `update 1\nthreshold memory some avg10 ${(now + 0.1).toFixed(2)}\n`;
  writeFileSync(join(home, '.config', 'psi-notify'), settings);
  const child = new Child([...AHEAD, 'sh', '-c', 'exec psi-notify 2>&1'], {
    env: { PATH: process.env.PATH, HOME: home },
  });
  child.onLine = (line) => {
    if (line.includes('Memory alert: active')) fired.notify.push(Number(process.hrtime.bigint()));
  };
  return child;
}

function take(stamps: Stamps): void {
  const [begin] = stamps.stalls[0] ?? [];
  if (begin === undefined) return;
  for (const [beginNs, atNs] of stamps.stalls) stalls.push((atNs - beginNs) / 1e6);
  firsts.push(((stamps.stalls[0]?.[1] ?? 0) - begin) / 1e6);
  const low = stamps.levels.find(([path, level]) => path === group.cgroupPath && level !== 'normal');
  if (low) lows.push((low[3] - begin) / 1e6);
  for (const [, , decidedNs, atNs] of stamps.levels) levelHandlers.push((atNs - decidedNs) / 1e6);
  lost += Object.values(stamps.lost).reduce((a, b) => a + b, 0);
  for (const name of Object.keys(fired) as (keyof typeof fired)[]) {
    const at = fired[name].find((ns) => ns >= begin);
    if (at === undefined) missed[name]++;
    else first[name].push((at - begin) / 1e6);
  }
}

function report(): void {
  const rows: { label: string; summary: Summary; missed: number; samples: number[] }[] = [];
  const add = (label: string, samples: number[], none = 0) => {
    const summary = summarize(samples);
    if (summary) rows.push({ label, summary, missed: none, samples });
    else process.stdout.write(`${label}: none in ${none} storms.\n`);
  };
  add('oomscope: every stall, from its begin to the handler of stalls$', stalls);
  add('oomscope: the first stall of a storm', firsts);
  add('oomscope: the cgroup’s level leaves normal, handler of pressure$', lows);
  add('oomscope: from the decision on a level to the handler of pressure$', levelHandlers);
  add(`PSI trigger "${TRIGGER}", poll in C`, first.trigger, missed.trigger);
  add('/proc/pressure/memory every 100 ms, in C', first.file, missed.file);
  add('psi-notify, once a second', first.notify, missed.notify);
  const ms = (value: number) => value.toFixed(3);
  const head = ['ms', 'times', 'p50', 'p90', 'p99', 'max', 'missed'];
  const lines = rows.map(({ label, summary: s, missed: none }) => [
    label,
    ...[String(s.count), ms(s.p50), ms(s.p90), ms(s.p99), ms(s.max), String(none)],
  ]);
  process.stdout.write(`${inWords(where)}\n\n${table([head, ...lines])}\nRecords lost: ${lost}.\n`);
  const every = rows[0]?.summary;
  if (every) {
    const met = (measured: number, wanted: number) => (measured <= wanted ? 'met' : 'NOT met');
    process.stdout.write(
      `Goal: p50 from a stall’s begin to its handler under 0.150 ms. Measured ${ms(every.p50)}: ${met(every.p50, 0.15)}.\n`,
    );
    process.stdout.write(
      `Goal: p99 from a stall’s begin to its handler under 1 ms. Measured ${ms(every.p99)}: ${met(every.p99, 1)}.\n`,
    );
  }
  writeJson(options.json, { benchmark: 'pressure', unit: 'ms', ...where, trigger: TRIGGER, lost, rows });
}
