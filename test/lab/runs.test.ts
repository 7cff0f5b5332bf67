import { expect, test } from 'vitest';
import { readRuns } from './runs.ts';

const begun = '{"hooks":[]}';
const result = (name: string) => `{"name":"${name}"}`;

test('each run begins with its hooks; one that its guest did not live to end is there as far as it came', () => {
  const runs = readRuns(`${begun}\n${result('a')}\n${result('b')}\nnoise\n${begun}\n${result('c')}\n{"na`);
  expect(runs.map(({ results }) => results.map(({ name }) => name))).toEqual([['a', 'b'], ['c']]);
});
