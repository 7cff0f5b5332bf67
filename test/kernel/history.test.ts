/** The history of real kills: while `oomscope run` runs, and before it started. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, afterEach, expect, it } from 'vitest';
import { History } from '../../src/history/query.ts';
import { MAIN } from '../cli/cli.ts';
import { MIB, oomKill, removeMemoryGroups } from './memcg.ts';

const directory = mkdtempSync(join(tmpdir(), 'oomscope-history-'));
const children = new Set<ChildProcess>();
afterEach(async () => {
  for (const child of children) child.kill('SIGKILL');
  children.clear();
  await removeMemoryGroups();
});
afterAll(() => rmSync(directory, { recursive: true }));

const path = join(directory, 'history.db');
const config = join(directory, 'oomscope.toml');

/** Starts the daemon, and waits until it runs. */
async function start(): Promise<{ stop: () => Promise<void>; reaped: (pid: number) => Promise<void> }> {
  const child = spawn(process.execPath, [MAIN, 'run', '--config', config, '--json'], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  children.add(child);
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  const waiting = new Map<number, () => void>();
  const reaped = new Set<number>();
  createInterface({ input: child.stdout }).on('line', (line) => {
    const event = JSON.parse(line);
    if (event.type !== 'oom.reaped') return;
    reaped.add(event.victim.pid);
    waiting.get(event.victim.pid)?.();
  });
  await new Promise<void>((resolve) => {
    createInterface({ input: child.stderr }).on('line', (line) => {
      if (line.includes('Running with')) resolve();
    });
  });
  return {
    stop: async () => {
      child.kill('SIGTERM');
      await ended;
      children.delete(child);
    },
    reaped: (pid) =>
      new Promise((resolve) => {
        if (reaped.has(pid)) resolve();
        else waiting.set(pid, resolve);
      }),
  };
}

async function entriesOf(pid: number) {
  using history = await History.open(path);
  return history.list({ kinds: ['killed', 'logged'] }, 10_000).filter((row) => row.pid === pid);
}

it('has a kill once: with its recovery if the daemon ran, and from the kernel’s log if it did not', async () => {
  writeFileSync(config, `[pressure]\nenabled = false\n[history]\npath = "${path}"\n`);
  const first = await start();
  const { pid: traced } = await oomKill({ limitBytes: 32 * MIB });
  await first.reaped(traced);
  await first.stop();
  // The kernel prints at most ten reports in five seconds, and other tests may make kills, too.
  const { pid: missed } = await oomKill({ limitBytes: 32 * MIB });
  for (let starts = 0; starts < 2; starts++) await (await start()).stop();
  const [kill] = await entriesOf(traced);
  expect((await entriesOf(traced)).map(({ kind }) => kind)).toEqual(['killed']);
  using history = await History.open(path);
  expect(history.story(kill?.id ?? '').parts.map(({ type }) => type)).toContain('oom.reaped');
  const found = await entriesOf(missed);
  expect(found.map(({ kind, logged }) => [kind, logged])).toEqual([['logged', true]]);
});
