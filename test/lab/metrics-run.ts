/**
 * Runs `oomscope run` with metrics and history while scenarios make kills of every kind, in a guest or on a host. Prints one
 * line of JSON: the metrics before and after, the counts of the kernel, and the events of the history.
 *
 *   node test/lab/metrics-run.ts [--listen HOST:PORT] [--linger SECONDS] KILLS SCENARIO…
 *
 * KILLS is the least number of kills: a storm makes those that the scenarios do not. --listen is where the metrics can be
 * read. --linger is for how long they can be read after the last kill.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import type { OomKill } from '../../src/model/events.ts';
import { MIB, oomStorm, removeMemoryGroups } from '../kernel/memcg.ts';
import { NODE } from './runs.ts';

/** What metrics-run.ts prints. */
export interface MetricsRun {
  kernel: { before: number; after: number };
  before: string;
  after: string;
  openmetrics: string;
  /** The kills in the history. */
  history: { id: string; kind: string; ofGroup: boolean }[];
  said: string;
}

const MAIN = join(import.meta.dirname, '../../dist/cli/main.js');
const directory = mkdtempSync(join(tmpdir(), 'oomscope-metrics-run-'));
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    listen: { type: 'string', default: '127.0.0.1:19836' },
    linger: { type: 'string', default: '2' },
  },
});
const [most = '0', ...scenarios] = positionals;
const vmstatKills = () => Number(/^oom_kill (\d+)$/m.exec(readFileSync('/proc/vmstat', 'utf8'))?.[1]);

async function scrape(accept: string): Promise<string> {
  const answer = await fetch(`http://${values.listen}/metrics`, { headers: { accept } });
  return answer.text();
}

async function output(command: string, args: readonly string[]): Promise<string> {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk;
  });
  await once(child, 'close');
  return text;
}

async function main(): Promise<MetricsRun> {
  const config = join(directory, 'oomscope.toml');
  const history = join(directory, 'history.db');
  const sections = [
    `[metrics]\nlisten = "${values.listen}"${values.listen.startsWith('127.') ? '' : '\npublic = true'}`,
    `[history]\npath = "${history}"`,
    '[output]\nevents = ["tracer.lost"]',
  ];
  writeFileSync(config, `${sections.join('\n')}\n`);
  const daemon = spawn(process.execPath, [MAIN, 'run', '--config', config], { stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  daemon.stderr.setEncoding('utf8').on('data', (text: string) => {
    said += text;
  });
  while (!said.includes('Press Ctrl-C')) {
    if (daemon.exitCode !== null) throw new Error(said);
    await sleep(50);
  }
  const kernelBefore = vmstatKills();
  const before = await scrape('text/plain');
  const [, ...options] = [...NODE, 'test/lab/run.ts', ...scenarios];
  said += await output(process.execPath, options);
  const missing = Number(most) - (vmstatKills() - kernelBefore);
  if (missing > 0) await oomStorm(missing, { limitBytes: 8 * MIB, parallel: 2 });
  await sleep(Number(values.linger) * 1000);
  const kernel = { before: kernelBefore, after: vmstatKills() };
  const [after, openmetrics] = [await scrape('text/plain'), await scrape('application/openmetrics-text')];
  daemon.kill('SIGTERM');
  await once(daemon, 'exit');
  const words = ['--path', history, '--json', '--limit', '10000', ...kinds()];
  const listed = await output(process.execPath, [MAIN, 'history', ...words]);
  const kills = listed.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line) as OomKill]));
  const entries = kills.map(({ id, kind, limit }) => ({ id, kind, ofGroup: limit?.oom_group === true }));
  return { kernel, before, after, openmetrics, said, history: entries };
}

const kinds = () => ['killed', 'already_dying', 'group_member', 'shared_memory'].flatMap((kind) => ['--kind', kind]);

try {
  process.stdout.write(`${JSON.stringify(await main())}\n`);
} finally {
  removeMemoryGroups();
  rmSync(directory, { recursive: true });
}
