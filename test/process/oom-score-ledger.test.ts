import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, expect, onTestFinished, test } from 'vitest';
import { startTicks } from '../../src/linux/process.ts';
import { AdjustmentLedger } from '../../src/process/oom-score-ledger.ts';
import { ProcessHandle } from '../../src/process/process-handle.ts';

const adjPath = (pid: number) => `/proc/${pid}/oom_score_adj`;
const adjOf = (pid: number) => Number(readFileSync(adjPath(pid), 'latin1'));
const ticksOf = (pid: number) => startTicks(readFileSync(`/proc/${pid}/stat`, 'latin1')) as number;
const bootId = readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim();
let path = '';

beforeEach(() => {
  const directory = mkdtempSync(join(tmpdir(), 'oomscope-test-'));
  path = join(directory, 'adj.json');
  return () => rmSync(directory, { recursive: true });
});

function start() {
  const child = spawn('sleep', ['60'], { stdio: 'ignore' });
  const pid = child.pid as number;
  writeFileSync(adjPath(pid), '100');
  const handle = ProcessHandle.open({ pid, startTicks: ticksOf(pid) });
  onTestFinished(() => {
    child.kill('SIGKILL');
    handle.close();
  });
  return { pid, handle, child };
}

/** As a run that crashed would have left it. */
function leave(raised: object[], changes: object = {}): void {
  const owner = { pid: 2 ** 22 - 1, startTicks: 1 };
  writeFileSync(path, JSON.stringify({ boot_id: bootId, owner, raised, ...changes }));
}

test('raises, remembers, restores; never lowers', () => {
  const ledger = new AdjustmentLedger(path);
  const { pid, handle } = start();
  expect(ledger.raise(handle, 50)).toBe(false);
  expect(ledger.raise(handle, 900)).toBe(true);
  expect(adjOf(pid)).toBe(900);
  expect(statSync(path).mode & 0o777).toBe(0o600);
  expect(JSON.parse(readFileSync(path, 'utf8'))).toMatchObject({
    owner: { pid: process.pid },
    raised: [{ pid, startTicks: handle.startTicks, from: 100, to: 900 }],
  });
  expect(ledger.restore(pid)).toMatchObject({ outcome: 'restored' });
  expect(adjOf(pid)).toBe(100);
  expect(existsSync(path)).toBe(false);
  expect(ledger.restore(pid)).toBeUndefined();
});

test('raised twice, it goes back with the last', () => {
  const ledger = new AdjustmentLedger();
  const { pid, handle } = start();
  expect([ledger.raise(handle, 500), ledger.raise(handle, 800), ledger.raise(handle, 300)]).toEqual([true, true, true]);
  expect(adjOf(pid)).toBe(800);
  expect([ledger.restore(pid), ledger.restore(pid)]).toEqual([undefined, undefined]);
  expect(adjOf(pid)).toBe(800);
  expect(ledger.restore(pid)).toMatchObject({ from: 100, outcome: 'restored' });
  expect(adjOf(pid)).toBe(100);
});

test('what somebody else has set meanwhile is left; who is gone is gone', async () => {
  const ledger = new AdjustmentLedger(path);
  const [one, two] = [start(), start()];
  for (const { handle } of [one, two]) expect(ledger.raise(handle, 900)).toBe(true);
  writeFileSync(adjPath(one.pid), '333');
  two.child.kill('SIGKILL');
  await two.handle.exited;
  await new Promise((resolve) => setTimeout(resolve, 20)); // until it was waited for
  expect(ledger.restoreAll().map(({ outcome }) => outcome)).toEqual(['changed', 'gone']);
  expect(adjOf(one.pid)).toBe(333);
  expect(ledger.raise(two.handle, 900)).toBe(false);
});

test('the next start restores what a crash has left, of the very same processes', () => {
  const { pid, handle } = start();
  writeFileSync(adjPath(pid), '900');
  const other = handle.startTicks - 1;
  leave([
    { pid, startTicks: other, from: 1, to: 900 },
    { pid, startTicks: handle.startTicks, from: 100, to: 900 },
    { pid: 2 ** 22 - 1, startTicks: 1, from: 0, to: 900 },
  ]);
  expect(AdjustmentLedger.recover(path).map(({ outcome }) => outcome)).toEqual(['gone', 'restored', 'gone']);
  expect(adjOf(pid)).toBe(100);
  expect(existsSync(path)).toBe(false);
  expect(AdjustmentLedger.recover(path)).toEqual([]);
});

test('a file of another boot, or that is none of ours, changes nothing', () => {
  const { pid, handle } = start();
  const raised = { pid, startTicks: handle.startTicks, from: 0, to: 100 };
  leave([raised], { boot_id: 'of yesterday' });
  expect(AdjustmentLedger.recover(path)).toEqual([]);
  for (const wrong of [{ from: 5000 }, { to: 'high' }, { pid: -1 }, { pid: '1' }, { startTicks: '../1' }]) {
    leave([{ ...raised, ...wrong }]);
    expect(AdjustmentLedger.recover(path)).toEqual([]);
  }
  for (const text of ['', '{', 'null', '[]', '{"raised":7}']) {
    writeFileSync(path, text);
    expect(AdjustmentLedger.recover(path)).toEqual([]);
    expect(existsSync(path)).toBe(false);
  }
  expect(adjOf(pid)).toBe(100);
});

test('whoever wrote the file and lives is not recovered from', () => {
  const ledger = new AdjustmentLedger(path);
  const { pid, handle } = start();
  ledger.raise(handle, 900);
  expect(() => AdjustmentLedger.recover(path)).toThrow(`in use by process ${process.pid}`);
  expect(adjOf(pid)).toBe(900);
  ledger.restoreAll();
});
