import { expect, test } from 'vitest';
import { readRuns } from './runs.ts';

const begun = '{"hooks":[]}';
const result = (name: string) => `{"name":"${name}"}`;

test('splits the output into runs at each line of hooks, and keeps an unfinished last run', () => {
  const runs = readRuns(`${begun}\n${result('a')}\n${result('b')}\nnoise\n${begun}\n${result('c')}\n{"na`);
  expect(runs.map(({ results }) => results.map(({ name }) => name))).toEqual([['a', 'b'], ['c']]);
});
