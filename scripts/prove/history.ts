/**
 * Proves what the history costs, and that neither kill -9 nor a disk that does not answer harms it.
 *
 *   npm run prove:history -- [--fresh] [--part PART]... [--write]
 */
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';
import { History } from '../../src/history/query.ts';
import { HistoryRecorder } from '../../src/history/recorder.ts';
import { aKill } from '../../test/history/made-events.ts';
import { table } from '../bench/report.ts';
import { prove } from './proof.ts';

const EVENTS = 1_000_000;
const KILLS = 50;
const STORM = join(import.meta.dirname, '../../test/history/storm.ts');
const WRITER = join(import.meta.dirname, 'history/writer.ts');

/** Rows of a name and a figure. */
type Figures = [string, string][];

async function inDirectory<T>(act: (directory: string) => Promise<T>): Promise<T> {
  const directory = mkdtempSync(join(tmpdir(), 'oomscope-history-'));
  try {
    return await act(directory);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

const million = () =>
  inDirectory(async (directory): Promise<Figures> => {
    const path = join(directory, 'history.db');
    const cost = JSON.parse(execFileSync(process.execPath, [WRITER, path, String(EVENTS)], { encoding: 'utf8' }));
    if (cost.lost > 0 || cost.told.length > 0) throw new Error(`lost ${cost.lost}, told ${cost.told.join(' ')}`);
    using history = await History.open(path);
    const { entries } = history.extent();
    if (entries !== EVENTS) throw new Error(`expected ${EVENTS} entries, got ${entries}`);
    return [
      ['events', String(entries)],
      ['written a second', Math.round(entries / cost.seconds).toString()],
      ['bytes an event in the file', (statSync(path).size / entries).toFixed(0)],
      ['take(): median, 99th percentile', `${cost.p50Us} µs, ${cost.p99Us} µs`],
      ['take(): longest', `${cost.longestUs} µs`],
      ['resident: before, highest', `${mib(cost.beforeKib)}, ${mib(cost.highestKib)}`],
      ...queries(history),
    ];
  });

const mib = (kib: number) => `${(kib / 1024).toFixed(1)} MiB`;

function queries(history: History): Figures {
  const day = 86_400_000;
  const last = Date.now();
  const [row] = history.list({ names: ['app-7'] }, 1);
  const all: [string, () => unknown][] = [
    ['the newest 100', () => history.list({}, 100)],
    ['100 in one container', () => history.list({ containers: ['shop-77'] }, 100)],
    ['a name that there is not', () => history.list({ names: ['nothing'] }, 100)],
    ['the last day', () => history.list({ sinceMs: last - day }, 10_000)],
    ['sums by day', () => history.stats('day', {}, 100)],
    ['sums by workload', () => history.stats('workload', {}, 100)],
    ['one story', () => history.story(row?.id ?? '')],
  ];
  return all.map(([name, run]) => {
    run();
    const begin = performance.now();
    run();
    return [`query: ${name}`, `${(performance.now() - begin).toFixed(1)} ms`];
  });
}

const killed = () =>
  inDirectory(async (directory): Promise<Figures> => {
    const path = join(directory, 'history.db');
    const windows: number[] = [];
    let kept = 0;
    for (let round = 0; round < KILLS; round++) {
      const child = spawn(process.execPath, [STORM, path], { stdio: ['ignore', 'pipe', 'inherit'] });
      // Each line says how many events were on the disk.
      const lines = linesOf(child);
      while (lines().length < 13) await sleep(20);
      await sleep(Math.random() * 400);
      const endMs = Date.now();
      child.kill('SIGKILL');
      await new Promise((resolve) => child.once('exit', resolve));
      const written = Number(lines().at(-1));
      const database = new DatabaseSync(path);
      const own = `made-${child.pid}-%`;
      const found = database.prepare('SELECT count(*) AS n, max(time_ms) AS last FROM entry WHERE id LIKE ?').get(own);
      const check = database.prepare('PRAGMA integrity_check').get()?.integrity_check;
      const orphans = database
        .prepare('SELECT count(*) AS n FROM entry LEFT JOIN body USING (number) WHERE json IS NULL')
        .get()?.n;
      database.close();
      if (check !== 'ok' || orphans !== 0)
        throw new Error(`round ${round}: ${check}, ${orphans} entries without a body`);
      if (Number(found?.n) < written)
        throw new Error(`round ${round}: of ${written} written events the file has ${found?.n}`);
      kept += Number(found?.n);
      windows.push(endMs - Number(found?.last ?? endMs - 1300));
    }
    windows.sort((a, b) => a - b);
    return [
      ['kill -9 in a storm of 400 events a second', `${KILLS} times`],
      ['files that were damaged', '0'],
      ['written events that were missing', '0'],
      ['events in the file', String(kept)],
      ['lost time: median, longest', `${windows[KILLS / 2]} ms, ${windows.at(-1)} ms`],
    ];
  });

function linesOf({ stdout }: ChildProcess): () => string[] {
  let text = '';
  stdout?.setEncoding('utf8').on('data', (part: string) => {
    text += part;
  });
  return () => text.split('\n').slice(0, -1);
}

/** A file system that is frozen: write(2) and fsync(2) do not return until it is thawed. */
const frozen = () =>
  inDirectory(async (directory): Promise<Figures> => {
    const [image, mount] = [join(directory, 'image'), join(directory, 'mount')];
    mkdirSync(mount);
    root('truncate', '-s', '64M', image);
    root('mkfs.ext4', '-q', image);
    root('mount', '-o', 'loop', image, mount);
    try {
      return await whileFrozen(mount);
    } finally {
      spawnSync('fsfreeze', ['-u', mount]);
      spawnSync('umount', [mount]);
    }
  });

async function whileFrozen(mount: string): Promise<Figures> {
  let lost = 0;
  const path = join(mount, 'history', 'history.db');
  const recorder = new HistoryRecorder({
    ...{ path, maxAgeMs: 86_400_000, maxBytes: 2 ** 28, queueBytes: 2 ** 20, tell: () => {} },
    onLost: (counts) => {
      for (const each of Object.values(counts)) lost += each;
    },
  });
  await recorder.opened;
  root('fsfreeze', '-f', mount);
  let longestMs = 0;
  let taken = 0;
  for (const end = performance.now() + 10_000; performance.now() < end; ) {
    const begin = performance.now();
    for (let i = 0; i < 20; i++) recorder.take(aKill());
    longestMs = Math.max(longestMs, performance.now() - begin);
    taken += 20;
    await sleep(10);
  }
  const waiting = recorder.waiting;
  root('fsfreeze', '-u', mount);
  for (const end = performance.now() + 20_000; recorder.waiting > 0 && performance.now() < end; ) await sleep(50);
  await recorder.close();
  using history = await History.open(path);
  const { entries } = history.extent();
  if (lost === 0 || entries + lost !== taken) throw new Error(`took ${taken}, kept ${entries}, lost ${lost}`);
  return [
    ['disk that did not answer', '10 s'],
    ['events taken meanwhile', String(taken)],
    ['longest time for 20 of them', `${longestMs.toFixed(1)} ms`],
    ['waited in memory at most', String(waiting)],
    ['kept, lost and counted', `${entries}, ${lost}`],
  ];
}

function root(command: string, ...args: string[]): void {
  execFileSync(command, args, { stdio: ['ignore', 'ignore', 'pipe'] });
}

await prove<Figures>({
  name: 'history',
  claim:
    'The history takes a million events without holding up its caller, answers queries over them, is whole after each kill -9, and a disk that does not answer stops nothing.',
  parts: [
    { name: 'million', run: million },
    { name: 'kill-9', run: killed },
    { name: 'frozen-disk', run: frozen },
  ],
  render: (parts) =>
    parts.map(({ name, figures }) => (figures ? `${table([[name, ''], ...figures])}\n` : '')).join('\n'),
});
