import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, expect, test } from 'vitest';
import { isTurn, type Turn, Turns } from '../../src/process/turns.ts';

let directory = '';
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'oomscope-turns-'));
  return () => rmSync(directory, { recursive: true });
});

test('a turn is free again only after its release, and all of several turns or none are taken', () => {
  const [one, other] = [new Turns(directory), new Turns(directory)];
  const turn = one.take('place /a') as Turn;
  expect(other.take('place /a')).toEqual({ pid: process.pid });
  expect(other.takeAll('victim 1', 'place /a')).toEqual({ pid: process.pid });
  const both = other.takeAll('victim 1', 'place /b') as Turn; // the failed attempt has released victim 1
  expect(isTurn(one.take('victim 1'))).toBe(false);
  for (const each of [turn, turn, both]) each.release();
  expect(readdirSync(directory)).toEqual([]);
  expect(isTurn(other.take('place /a'))).toBe(true);
});

test('sweep removes the files of killed guards, and no other files', () => {
  const turn = new Turns(directory).take('place /a') as Turn;
  const [held = ''] = readdirSync(directory);
  for (const name of ['turn-0123456789abcdef', 'turn-other', 'guard.jsonl']) {
    writeFileSync(join(directory, name), '', { mode: 0o600 });
  }
  new Turns(directory).sweep();
  expect(readdirSync(directory).sort()).toEqual(['guard.jsonl', held, 'turn-other'].sort());
  turn.release();
});

test('without a directory every turn is free', () => {
  const turns = new Turns();
  expect([turns.take('x'), turns.take('x')].every(isTurn)).toBe(true);
  turns.sweep();
});
