import { expect, test } from 'vitest';
import { readRuns } from './runs.ts';

const begun = '{"hooks":[]}';
const result = (name: string) => `{"name":"${name}"}`;
const ended = (code: number) => `{"code":${code}}`;
const read = (...lines: string[]) => {
  const { runs, signals } = readRuns(`${lines.join('\n')}\n`);
  return { runs: runs.map(({ results }) => results.map(({ name }) => name)), signals };
};

test('a run that a signal ended is left out, and said', () => {
  const died = [begun, result('a'), ended(139)];
  expect(read(...died, begun, result('a'), ended(0))).toEqual({ runs: [['a']], signals: [11] });
});

test('one that a signal ended before it said anything takes no other with it', () => {
  const lines = [begun, result('a'), ended(1), ended(133), begun, result('b'), ended(0)];
  expect(read(...lines)).toEqual({ runs: [['a'], ['b']], signals: [5] });
});

test('one that its guest did not live to end is there as far as it came', () => {
  expect(readRuns(`${begun}\n${result('a')}\n{"na`).runs).toMatchObject([{ results: [{ name: 'a' }] }]);
});
