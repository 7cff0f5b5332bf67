/**
 * Measures the page of `oomscope web` in Chromium: the first paint, the first picture of the cgroups, and the CPU time of the
 * server and of the browser while figures of many cgroups arrive once a second.
 *
 *   npm -s run bench:page -- [--cgroups N] [--loads N] [--seconds N] [--json FILE]
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import type { Browser } from 'playwright-core';
import { createMemoryGroup } from '../../src/demo/memory-group.ts';
import { launch } from '../../test/web/browser.ts';
import { circumstances, inWords, say, summarize, table, writeJson } from './report.ts';

const { values: options } = parseArgs({
  options: {
    cgroups: { type: 'string', default: '2000' },
    loads: { type: 'string', default: '20' },
    seconds: { type: 'string', default: '30' },
    json: { type: 'string' },
  },
});
const MIB = 2 ** 20;
const CLI = resolve(import.meta.dirname, '../../dist/cli/main.js');
/** Cgroups whose usage changes each second; the others hold what they have. */
const MOVING = 50;
/** A cgroup of at least this size is read once a second. */
const HELD = MIB + 65_536;
/** Clock ticks of /proc/PID/stat. */
const TICKS_PER_SECOND = 100;
const GOALS = { paint_ms: 200, server_percent: 2, browser_percent: 10 };
const unit = (i: number) => `bench-${i}.service`;
const files = (i: string) => `/dev/shm/oomscope-bench-${process.pid}-${i}`;

const where = circumstances();
const count = Number(options.cgroups);
const parent = createMemoryGroup({ limitBytes: (count + 1024) * 2 * MIB, name: `oomscope-bench-${process.pid}` });
const movers: ChildProcess[] = [];
let server: ChildProcess | undefined;
let browser: Browser | undefined;
try {
  fill();
  const begun = await startServer();
  server = begun.child;
  browser = await launch();
  const loads = await measureLoads(browser, begun.link);
  const live = await measureUpdates(browser, begun.link, begun.child.pid as number);
  where.load_after = circumstances().load_before;
  report(loads, live);
} finally {
  await browser?.close();
  for (const child of [server, ...movers]) {
    if (!child || child.exitCode !== null) continue;
    child.kill('SIGTERM');
    await once(child, 'exit');
  }
  parent.remove();
  for (let i = 0; i < count; i++) rmSync(files(String(i)), { force: true });
}

/** Makes the cgroups. Each is charged for a file in memory, which a process in it writes. */
function fill(): void {
  for (let i = 0; i < count; i++) parent.child(unit(i));
  const file = files('$i');
  const each = `echo $$ >"$0/bench-$i.service/cgroup.procs" && head -c ${HELD} /dev/zero >${file}`;
  const script = `i=0; while [ $i -lt ${count} ]; do ${each} || exit; i=$((i+1)); done`;
  const { status, stderr } = spawnSync('sh', ['-c', script, parent.path], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`the cgroups could not be filled: ${stderr}`);
  for (let i = 0; i < MOVING; i++) {
    const sizes = [1.2, 1.6].map((mib) => `head -c ${Math.round(mib * MIB)} /dev/zero >$1; sleep 1`).join('; ');
    const move = `echo $$ >"$0" && while :; do ${sizes}; done`;
    const words = ['-c', move, join(parent.path, unit(i), 'cgroup.procs'), files(String(i))];
    movers.push(spawn('sh', words, { stdio: 'ignore' }));
  }
}

async function startServer(): Promise<{ child: ChildProcess; link: string }> {
  const child = spawn(process.execPath, [CLI, 'web', '--listen', '127.0.0.1:0'], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said += text;
  });
  for (;;) {
    const [link] = /http:\S+#token=\S+/.exec(said) ?? [];
    if (link !== undefined) return { child, link };
    if (child.exitCode !== null) throw new Error(said);
    await sleep(20);
  }
}

interface Loads {
  paint: number[];
  picture: number[];
  /** CPU time of the thread that runs the script and paints, up to the first picture (ms). */
  cpu: number[];
}

async function measureLoads(browser: Browser, link: string): Promise<Loads> {
  const loads: Loads = { paint: [], picture: [], cpu: [] };
  for (let i = 0; i < Number(options.loads); i++) {
    const context = await browser.newContext({ viewport: { width: 1280, height: 900 } });
    const page = await context.newPage();
    const session = await context.newCDPSession(page);
    await session.send('Performance.enable', { timeDomain: 'threadTicks' });
    await page.goto(link);
    await page.waitForSelector('#map svg.treemap rect', { timeout: 60_000 });
    loads.picture.push(await page.evaluate('performance.now()'));
    const { metrics } = await session.send('Performance.getMetrics');
    loads.cpu.push((metrics.find(({ name }) => name === 'TaskDuration')?.value ?? Number.NaN) * 1000);
    loads.paint.push(await page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime"));
    await context.close();
  }
  return loads;
}

async function measureUpdates(browser: Browser, link: string, pid: number) {
  const page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
  await page.goto(link);
  await sleep(10_000);
  const browserPids = () => descendants(process.pid).filter((each) => /chrom|headless/.test(commOf(each)));
  const sum = (pids: readonly number[]) => pids.reduce((total, each) => total + ticksOf(each), 0);
  const before = { atMs: performance.now(), server: ticksOf(pid), browser: sum(browserPids()) };
  await sleep(Number(options.seconds) * 1000);
  const seconds = (performance.now() - before.atMs) / 1000;
  const percent = (ticks: number) => (100 * ticks) / TICKS_PER_SECOND / seconds;
  return {
    server_percent: percent(ticksOf(pid) - before.server),
    browser_percent: percent(sum(browserPids()) - before.browser),
  };
}

function descendants(of: number): number[] {
  const parents = new Map<number, number>();
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const parent = Number(statOf(Number(name))[1]);
    parents.set(Number(name), parent);
  }
  const isBelow = (pid: number): boolean => {
    const parent = parents.get(pid);
    return parent !== undefined && parent !== 0 && (parent === of || isBelow(parent));
  };
  return [...parents.keys()].filter(isBelow);
}

/** The fields of /proc/PID/stat after the name: state, parent, … */
function statOf(pid: number): string[] {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return text.slice(text.lastIndexOf(')') + 2).split(' ');
  } catch {
    return []; // the process has ended
  }
}

function commOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/comm`, 'utf8').trim();
  } catch {
    return '';
  }
}

/** User and system time of all threads of a process. */
function ticksOf(pid: number): number {
  const [user = '0', system = '0'] = statOf(pid).slice(11, 13);
  return Number(user) + Number(system);
}

function report(loads: Loads, live: { server_percent: number; browser_percent: number }): void {
  const row = (title: string, values: number[], goal = '') => {
    const { p50 = Number.NaN, p99 = Number.NaN } = summarize(values) ?? {};
    return [title, p50.toFixed(0), p99.toFixed(0), goal];
  };
  say(inWords(where));
  say(
    table([
      [`${options.loads} loads with ${count} cgroups`, 'p50', 'p99', 'goal'],
      row('first paint, ms', loads.paint, `p50 < ${GOALS.paint_ms}`),
      row('picture of the cgroups, ms', loads.picture),
      row('CPU time of the page’s thread until then, ms', loads.cpu),
    ]),
  );
  say(
    table([
      [`${count} cgroups, of which ${MOVING} change, once a second`, 'of a CPU', 'goal'],
      ['oomscope web', `${live.server_percent.toFixed(1)} %`, `< ${GOALS.server_percent} %`],
      ['Chromium, all processes', `${live.browser_percent.toFixed(1)} %`, `< ${GOALS.browser_percent} %`],
    ]),
  );
  writeJson(options.json, { ...where, loads, live });
}
