import { expect, test } from 'vitest';
import { StallShares } from '../../src/memory/stall-shares.ts';

test('the share of the time since the totals before, for each key by itself', () => {
  const shares = new StallShares();
  expect(shares.next('a', { someUs: 1000, fullUs: 0 }, 0)).toBeUndefined();
  expect(shares.next('b', { someUs: 0, fullUs: 0 }, 0)).toBeUndefined();
  expect(shares.next('a', { someUs: 6000, fullUs: 1000 }, 10)).toEqual({ some: 0.5, full: 0.1 });
  expect(shares.next('b', { someUs: 20_000, fullUs: Number.NaN }, 10)).toEqual({ some: 1, full: null });
});

test('no share without totals, and none when no time has passed', () => {
  const shares = new StallShares();
  shares.next('a', { someUs: 0, fullUs: 0 }, 0);
  expect(shares.next('a', null, 10)).toBeUndefined();
  expect(shares.next('a', { someUs: 1000, fullUs: 0 }, 20)).toEqual({ some: 0.05, full: 0 });
  expect(shares.next('a', { someUs: 2000, fullUs: 0 }, 20)).toBeUndefined();
  shares.forget('a');
  expect(shares.next('a', { someUs: 3000, fullUs: 0 }, 30)).toBeUndefined();
});
