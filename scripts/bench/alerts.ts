/**
 * Measures whether an alert sink delays the JSON line of a kill. It runs the command without a sink, and with sinks
 * that work, hang, or are down. The kills are real memory-cgroup OOM kills. The commands take turns in random order,
 * and the others are stopped meanwhile.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { createMemoryGroup, type MemoryGroup } from '../../src/demo/memory-group.ts';
import { Child } from './child.ts';
import { type Footprint, footprint } from './process-figures.ts';
import { circumstances, inWords, say, summarize, table, writeJson } from './report.ts';
import { killOne } from './victim.ts';

const { values: options } = parseArgs({
  options: {
    kills: { type: 'string', default: '60' },
    warm: { type: 'string', default: '3' },
    json: { type: 'string' },
  },
});
const SETTLE_MS = 150;
const PATIENCE_MS = 3000;
const MOST_DELAY_MS = 1;
const CLI = `${import.meta.dirname}/../../dist/cli/main.js`;

interface Turn {
  child: Child;
  group: MemoryGroup;
  /**
   * For each pid, the time in milliseconds from the kernel's mark_oom_victim() until the line is read from the pipe.
   */
  ms: Map<number, number>;
  footprint?: Footprint;
}

const where = circumstances();
const receiver = new Child([process.execPath, '--experimental-strip-types', `${import.meta.dirname}/receiver.ts`]);
const url = await receiver.line('http');
const sinks: Record<string, string[]> = {
  'no sink': [],
  'a webhook that answers': [`webhook=${url}/ok`],
  'a webhook that hangs': [`webhook=${url}/hang`],
  'a webhook that is down': ['webhook=http://127.0.0.1:9/'],
  'a program that hangs': ['exec=sleep arg=600 timeout=1h'],
};
const turns: Record<string, Turn> = {};
for (const [i, [name, given]] of Object.entries(sinks).entries()) turns[name] = await start(given, `${i}`);

const samples = Object.fromEntries(Object.keys(turns).map((name) => [name, [] as number[]]));
try {
  for (const { child } of Object.values(turns)) child.pause();
  for (let round = -Number(options.warm); round < Number(options.kills); round++) {
    for (const name of Object.keys(turns).sort(() => Math.random() - 0.5)) {
      const ms = await take(turns[name] as Turn);
      if (round >= 0 && ms !== undefined) samples[name]?.push(ms);
    }
    if (round % 10 === 0) say(`round ${round} of ${options.kills}`);
  }
  for (const turn of Object.values(turns)) {
    turn.child.resume();
    await sleep(SETTLE_MS);
    turn.footprint = footprint(turn.child.pid);
  }
} finally {
  await Promise.all([receiver, ...Object.values(turns).map(({ child }) => child)].map((child) => child.end('SIGKILL')));
  for (const { group } of Object.values(turns)) group.remove();
}
where.load_after = circumstances().load_before;
report();

async function start(given: string[], number: string): Promise<Turn> {
  const group = createMemoryGroup({ limitBytes: 32 * 2 ** 20, name: `oomscope-bench-${process.pid}-${number}` });
  const args = ['trace', '--json', '--cgroup', `*${group.cgroupPath}`, ...given.flatMap((sink) => ['--alert', sink])];
  const child = new Child([process.execPath, CLI, ...args], { stdio: ['pipe', 'pipe', 'ignore'] });
  await child.line('{');
  const ms: Turn['ms'] = new Map();
  child.onLine = (line) => {
    const now = process.hrtime.bigint();
    const event = JSON.parse(line);
    if (event.type === 'oom.kill') ms.set(event.victim.pid, Number(now - BigInt(event.mono_ns)) / 1e6);
  };
  return { child, group, ms };
}

async function take({ child, group, ms }: Turn): Promise<number | undefined> {
  child.resume();
  await sleep(SETTLE_MS);
  const pid = await killOne(group);
  const end = performance.now() + PATIENCE_MS;
  while (!ms.has(pid) && performance.now() < end) await sleep(5);
  await sleep(SETTLE_MS); // so that the alert is delivered before the next turn begins
  child.pause();
  return ms.get(pid);
}

function report(): void {
  const rows = Object.entries(samples).map(([name, values]) => ({
    name,
    summary: summarize(values),
    samples: values,
    anonymous_mb: (turns[name]?.footprint?.anonymous_kib ?? 0) / 1024,
    rss_mb: (turns[name]?.footprint?.rss_kib ?? 0) / 1024,
    missed: Number(options.kills) - values.length,
  }));
  const none = rows[0]?.summary;
  const ms = (value: number | undefined) => value?.toFixed(3) ?? '';
  const head = [
    'ms from mark_victim to the line',
    'kills',
    'p50',
    'p90',
    'p99',
    'max',
    'p50 more',
    'missed',
    'anonymous MB',
    'RSS MB',
  ];
  const lines = rows.map(({ name, summary: s, anonymous_mb, rss_mb, missed }) => [
    name,
    ...[String(s?.count ?? 0), ms(s?.p50), ms(s?.p90), ms(s?.p99), ms(s?.max)],
    ...[s && none ? ms(s.p50 - none.p50) : '', String(missed)],
    ...[anonymous_mb.toFixed(1), rss_mb.toFixed(1)],
  ]);
  process.stdout.write(`${inWords(where)}\n\n${table([head, ...lines])}\n`);
  for (const { name, summary } of rows.slice(1)) {
    if (!summary || !none) continue;
    const more = summary.p50 - none.p50;
    const met = more <= MOST_DELAY_MS ? 'met' : 'NOT met';
    process.stdout.write(
      `Goal: ${name} delays the line by at most ${MOST_DELAY_MS} ms (p50): ${ms(more)} ms, ${met}.\n`,
    );
  }
  writeJson(options.json, { benchmark: 'alerts', unit: 'ms', ...where, rows });
}
