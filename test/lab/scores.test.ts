/** Fifty OOMs in a guest: the process ranked first is the one that the kernel kills. */

import { expect, test } from 'vitest';
import { bootGuest, lastLines } from '../../scripts/lab/guest.ts';
import { agrees, type ScoreRound } from '../kernel/score-round.ts';
import { NODE } from './runs.ts';

const ROUNDS = 50;

test('the kernel kills the process that scores ranks first', { timeout: 400_000 }, async () => {
  const command = [...NODE, 'test/lab/score-rounds.ts', String(ROUNDS)];
  const result = await bootGuest({ kernel: '6.12', cgroup: 'v2', memoryMib: 1024, limitSeconds: 300, command });
  expect(result.timedOut || result.panicked ? lastLines(result) : '').toBe('');
  expect(result.stderr).toBe('');
  const rounds = result.stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as ScoreRound);
  expect(rounds).toHaveLength(ROUNDS);
  expect(rounds.filter((round) => !agrees(round))).toEqual([]);
  expect(rounds.filter(({ said, killed }) => said[0]?.name === killed).length).toBeGreaterThan(ROUNDS * 0.8);
  // If it were always the same process, the test would show nothing.
  expect(new Set(rounds.map(({ killed }) => killed)).size).toBe(4);
});
