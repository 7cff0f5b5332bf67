import { expect, test } from 'vitest';
import { Anticipation } from '../../src/sources/anticipation.ts';

test('looks out at a hint, less and less often while none comes true, and at once again after a kill', () => {
  let now = 0;
  const looks: number[] = [];
  const anticipation = new Anticipation(
    () => looks.push(now) > 0,
    () => now,
  );
  // A hint every 10 ms for a minute, as a cgroup gives that thrashes at its limit.
  for (; now < 60_000; now += 10) anticipation.lookOut();
  const gaps = looks.slice(1).map((at, i) => at - (looks[i] ?? 0));
  expect(gaps.slice(0, 4)).toEqual([20, 40, 80, 160]);
  expect(gaps.at(-1)).toBe(10_000);
  expect(looks.length).toBeLessThan(20);

  expect(anticipation.lookOut()).toBe(false);
  anticipation.cameTrue();
  expect(anticipation.lookOut()).toBe(true);
});
