import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { processFiles, startTicksOf } from '../../src/linux/process-reader.ts';
import { RaisedScores } from '../../src/process/raised-scores.ts';
import { UndoLedger } from '../../src/process/undo-ledger.ts';
import { createMemoryGroup, oomKillsUnavailable, removeMemoryGroups } from '../kernel/memcg.ts';

const adjPath = (pid: number) => `/proc/${pid}/oom_score_adj`;
const adjOf = (pid: number) => Number(readFileSync(adjPath(pid), 'latin1'));

function start() {
  const child = spawn('sleep', ['60'], { stdio: 'ignore' });
  const pid = child.pid as number;
  writeFileSync(adjPath(pid), '100');
  onTestFinished(() => void child.kill('SIGKILL'));
  return { pid, startTicks: startTicksOf(pid) as number, child };
}

test('raises and restores a value, and never lowers one', () => {
  const ledger = UndoLedger.inMemory();
  const scores = new RaisedScores(ledger);
  const one = start();
  expect(scores.raise(one, 50)).toBe(false);
  expect(scores.raise(one, 900)).toBe(true);
  expect(adjOf(one.pid)).toBe(900);
  expect(ledger.accounts()).toMatchObject([{ entry: { pid: one.pid, before: '100', written: '900' } }]);
  expect(scores.restore(one)).toMatchObject({ outcome: 'restored' });
  expect(adjOf(one.pid)).toBe(100);
  expect(ledger.accounts()).toEqual([]);
  expect(scores.restore(one)).toBeUndefined();
});

test('the last restore() restores a value that was raised several times', () => {
  const scores = new RaisedScores(UndoLedger.inMemory());
  const one = start();
  expect([scores.raise(one, 500), scores.raise(one, 800), scores.raise(one, 300)]).toEqual([true, true, true]);
  expect(adjOf(one.pid)).toBe(800);
  expect([scores.restore(one), scores.restore(one)]).toEqual([undefined, undefined]);
  expect(adjOf(one.pid)).toBe(800);
  expect(scores.restore(one)).toMatchObject({ entry: { before: '100' }, outcome: 'restored' });
  expect(adjOf(one.pid)).toBe(100);
});

test('does not overwrite a value of another program, and ignores a process that has exited', async () => {
  const scores = new RaisedScores(UndoLedger.inMemory());
  const [one, two] = [start(), start()];
  for (const each of [one, two]) expect(scores.raise(each, 900)).toBe(true);
  writeFileSync(adjPath(one.pid), '333');
  two.child.kill('SIGKILL');
  await once(two.child, 'exit');
  expect(scores.restoreAll().map(({ outcome }) => outcome)).toEqual(['changed', 'gone']);
  expect(adjOf(one.pid)).toBe(333);
  expect(scores.raise(two, 900)).toBe(false);
});

/** Starts a process in a session of its own, and exits: the process becomes an orphan at once. */
const DAEMON = '(setsid sleep 60 >/dev/null & echo $!)';

interface Starter {
  pid: number;
  startTicks: number;
  fork: () => Promise<number>;
  /** Kills the shell, and waits until it has exited. */
  end: () => Promise<void>;
}

/** A shell that runs a command for each line that it reads. The command starts a process and says the pid. */
async function starter(command = 'sleep 60 >/dev/null & echo $!'): Promise<Starter> {
  const script = `while read -r line; do ${command}; done`;
  const child = spawn('sh', ['-c', script], { stdio: ['pipe', 'pipe', 'inherit'], detached: true });
  const pid = child.pid as number;
  onTestFinished(() => {
    try {
      process.kill(-pid, 'SIGKILL');
    } catch {
      // no process of the group is left
    }
  });
  writeFileSync(adjPath(pid), '100');
  const fork = async () => {
    child.stdin.write('\n');
    return Number(String((await once(child.stdout, 'data'))[0]));
  };
  const end = async () => {
    child.kill('SIGKILL');
    await once(child, 'exit');
  };
  return { pid, startTicks: startTicksOf(pid) as number, fork, end };
}

async function forkDaemon(one: Starter): Promise<number> {
  const pid = await one.fork();
  onTestFinished(() => void process.kill(pid, 'SIGKILL'));
  await vi.waitFor(() => {
    const stat = processFiles.stat(`/proc/${pid}`);
    expect([stat?.pgid, stat?.ppid === one.pid]).toEqual([pid, false]);
  }, 10_000);
  return pid;
}

describe('what a process starts while its value is raised', () => {
  test('is restored with it, and nothing else is', async () => {
    const scores = new RaisedScores(UndoLedger.inMemory());
    const one = await starter();
    const [before, other] = [await one.fork(), start()];
    writeFileSync(adjPath(before), '900');
    writeFileSync(adjPath(other.pid), '900');
    await sleep(30); // start times are in ticks of 10 ms
    expect(scores.raise(one, 900)).toBe(true);
    const [heir, changed] = [await one.fork(), await one.fork()];
    writeFileSync(adjPath(changed), '950');
    expect([heir, changed].map(adjOf)).toEqual([900, 950]);
    scores.restore(one);
    expect([one.pid, heir, changed, before, other.pid].map(adjOf)).toEqual([100, 100, 950, 900, 900]);
  });

  test('is restored when the process itself has died, by its process group', async () => {
    const scores = new RaisedScores(UndoLedger.inMemory());
    const one = await starter();
    expect(scores.raise(one, 900)).toBe(true);
    const heir = await one.fork();
    await one.end();
    scores.restore(one);
    expect(adjOf(heir)).toBe(100);
  });

  test.each(['lives', 'has died'])(
    'is restored in a session of its own, whose parent has died, when the process itself %s',
    async (state) => {
      const scores = new RaisedScores(UndoLedger.inMemory());
      const one = await starter(DAEMON);
      expect(scores.raise(one, 899)).toBe(true);
      const [heir, own] = [await forkDaemon(one), start()];
      writeFileSync(adjPath(own.pid), '900');
      expect(adjOf(heir)).toBe(899);
      if (state === 'has died') await one.end();
      scores.restore(one);
      expect([heir, own.pid].map(adjOf)).toEqual([100, 900]);
    },
  );

  test('is restored in such a session by a later run after a crash', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'oomscope-'));
    onTestFinished(() => rmSync(directory, { recursive: true }));
    const path = join(directory, 'undo.jsonl');
    const one = await starter(DAEMON);
    const crashed = UndoLedger.open(path);
    new RaisedScores(crashed).raise(one, 899);
    const heir = await forkDaemon(one);
    await one.end();
    copyFileSync(path, `${path}.left`);
    crashed.close();
    using later = UndoLedger.open(`${path}.left`);
    expect(later.undoAll()).toMatchObject([{ outcome: 'gone' }]);
    expect(adjOf(heir)).toBe(100);
  });

  test.skipIf(oomKillsUnavailable())(
    'is not sought in another memory cgroup, nor where the value of the process itself was raised',
    async () => {
      onTestFinished(removeMemoryGroups);
      const [here, elsewhere] = [32, 32].map((mib) => createMemoryGroup({ limitBytes: mib * 2 ** 20 }));
      const put = (group: typeof here, pid: number) => writeFileSync(`${group?.path}/cgroup.procs`, String(pid));
      const scores = new RaisedScores(UndoLedger.inMemory());
      const one = await starter();
      put(here, one.pid);
      expect(scores.raise(one, 899)).toBe(true);
      const [stranger, other] = [start(), start()];
      put(elsewhere, stranger.pid);
      writeFileSync(adjPath(stranger.pid), '899');
      put(here, other.pid);
      expect(scores.raise(other, 899)).toBe(true);
      await one.end();
      scores.restore(one);
      expect([stranger.pid, other.pid].map(adjOf)).toEqual([899, 899]);
      scores.restore(other);
      expect(adjOf(other.pid)).toBe(100);
    },
  );

  test('is restored by a later run after a crash', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'oomscope-'));
    onTestFinished(() => rmSync(directory, { recursive: true }));
    const path = join(directory, 'undo.jsonl');
    const one = await starter();
    const crashed = UndoLedger.open(path);
    new RaisedScores(crashed).raise(one, 900);
    const heir = await one.fork();
    copyFileSync(path, `${path}.left`);
    crashed.close();
    const later = UndoLedger.open(`${path}.left`);
    later.undoAll();
    later.close();
    expect([one.pid, heir].map(adjOf)).toEqual([100, 100]);
  });
});

test('does not raise a process that reuses the pid of another', () => {
  const scores = new RaisedScores(UndoLedger.inMemory());
  const one = start();
  expect(scores.raise({ pid: one.pid, startTicks: one.startTicks - 1 }, 900)).toBe(false);
  expect(adjOf(one.pid)).toBe(100);
});
