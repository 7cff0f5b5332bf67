import { expect, it } from 'vitest';
import { fuzz } from './fuzz.ts';

/** Seeds that once found bugs, and some others. `npm run prove:config` reads a million files. */
const seeds = [1, 2, 3, 4, 5, 6, 7, 8];

it.each(seeds)('reads 2,500 damaged files of seed %i, each within 100 ms of CPU', async (seed) => {
  const { right, slowestCpuMs } = await fuzz(seed, 2_500);
  expect(right).toBeGreaterThan(25); // otherwise the test would cover only the parser
  expect(slowestCpuMs).toBeLessThan(100);
});
