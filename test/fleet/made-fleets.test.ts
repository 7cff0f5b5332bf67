import { expect, test } from 'vitest';
import { judge } from './made-fleet.ts';

/** Half of the fleets are the same in each run, and half are new: a failure names its seeds. */
const fixed = Array.from({ length: 25 }, (_, i) => i + 1);
const fresh = Array.from({ length: 25 }, () => Math.floor(Math.random() * 2 ** 31));

test('in fifty made fleets every incident is found once, and at most a few are told that are none', () => {
  const verdicts = [...fixed, ...fresh].map((seed) => ({ seed, ...judge(seed) }));
  const sum = (of: (verdict: (typeof verdicts)[number]) => number) =>
    verdicts.reduce((total, verdict) => total + of(verdict), 0);
  const known = sum((one) => one.known);
  expect(known).toBeGreaterThan(50);
  expect(verdicts.filter(({ missed, split }) => missed.length > 0 || split.length > 0)).toEqual([]);
  // Usual kills come together by chance: about one such incident in seventeen fleets of six hours.
  const wrong = verdicts.filter((one) => one.false.length > 0);
  expect(
    sum((one) => one.false.length),
    JSON.stringify(wrong),
  ).toBeLessThanOrEqual(12);
});
