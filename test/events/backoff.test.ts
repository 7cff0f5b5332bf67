import { expect, test } from 'vitest';
import { backoffMs } from '../../src/events/backoff.ts';

test('pauses double up to the limit, and each is between a half of that and the whole', () => {
  for (const [failures, whole] of [
    [1, 250],
    [2, 500],
    [5, 4000],
    [6, 5000],
    [5000, 5000],
  ] as const) {
    const pauses = Array.from({ length: 200 }, () => backoffMs(failures, 250, 5000));
    expect(Math.min(...pauses)).toBeGreaterThan(whole / 2 - 1e-9);
    expect(Math.max(...pauses)).toBeLessThanOrEqual(whole);
    expect(new Set(pauses).size).toBeGreaterThan(100);
  }
});
