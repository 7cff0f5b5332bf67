import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { expect, onTestFinished, test } from 'vitest';
import { startTicksOf } from '../../src/linux/process-reader.ts';
import { RaisedScores } from '../../src/process/raised-scores.ts';
import { UndoLedger } from '../../src/process/undo-ledger.ts';

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

test('does not raise a process that reuses the pid of another', () => {
  const scores = new RaisedScores(UndoLedger.inMemory());
  const one = start();
  expect(scores.raise({ pid: one.pid, startTicks: one.startTicks - 1 }, 900)).toBe(false);
  expect(adjOf(one.pid)).toBe(100);
});
