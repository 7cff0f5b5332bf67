import { expect, test } from 'vitest';
import { StallMeter } from '../../src/memory/stall-meter.ts';

test('computes the share of stalled time since the previous totals, separately for each key', () => {
  const meter = new StallMeter();
  expect(meter.next('a', { someUs: 1000, fullUs: 0 }, 0)).toBeUndefined();
  expect(meter.next('b', { someUs: 0, fullUs: 0 }, 0)).toBeUndefined();
  expect(meter.next('a', { someUs: 6000, fullUs: 1000 }, 10)).toEqual({ some: 0.5, full: 0.1 });
  expect(meter.next('b', { someUs: 20_000, fullUs: Number.NaN }, 10)).toEqual({ some: 1, full: null });
});

test('returns undefined without totals, and if no time has passed', () => {
  const meter = new StallMeter();
  meter.next('a', { someUs: 0, fullUs: 0 }, 0);
  expect(meter.next('a', null, 10)).toBeUndefined();
  expect(meter.next('a', { someUs: 1000, fullUs: 0 }, 20)).toEqual({ some: 0.05, full: 0 });
  expect(meter.next('a', { someUs: 2000, fullUs: 0 }, 20)).toBeUndefined();
  meter.forget('a');
  expect(meter.next('a', { someUs: 3000, fullUs: 0 }, 30)).toBeUndefined();
});
