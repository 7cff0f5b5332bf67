import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { GrowthWindow, growthOf, studentT975 } from '../../src/series/growth.ts';

const slopes = fc.integer({ min: -1e9, max: 1e9 });
const starts = fc.integer({ min: 0, max: 1e12 });
const lengths = fc.integer({ min: 3, max: 60 });

function windowOf(samples: Iterable<readonly [number, number]>, capacity = 64): GrowthWindow {
  const window = new GrowthWindow(capacity);
  for (const [seconds, value] of samples) window.add(seconds, value);
  return window;
}

const line = (n: number, start: number, slope: number, from = 0) =>
  Array.from({ length: n }, (_, i) => [from + i, start + slope * i] as const);

describe('the slope', () => {
  it('of a straight line is exact, with an uncertainty of 0', () => {
    fc.assert(
      fc.property(lengths, starts, slopes, (n, start, slope) => {
        const found = windowOf(line(n, start, slope)).slope();
        const error = Math.abs(start) * 1e-12 + Math.abs(slope) * 1e-9 + 1e-6;
        expect(Math.abs((found?.perSecond ?? Number.NaN) - slope)).toBeLessThan(error);
        expect(found?.uncertainty).toBeLessThan(error * 100);
      }),
    );
  });

  it('does not depend on the time and value of the first sample', () => {
    const values = fc.array(fc.integer({ min: 0, max: 1e6 }), { minLength: 3, maxLength: 40 });
    fc.assert(
      fc.property(values, fc.integer({ min: 0, max: 1e6 }), fc.integer({ min: 0, max: 1e9 }), (series, later, more) => {
        const one = windowOf(series.map((value, i) => [i, value] as const)).slope();
        const other = windowOf(series.map((value, i) => [i + later, value + more] as const)).slope();
        expect(other?.perSecond).toBeCloseTo(one?.perSecond ?? Number.NaN, 3);
        expect(other?.uncertainty).toBeCloseTo(one?.uncertainty ?? Number.NaN, 2);
      }),
    );
  });

  it('depends on the last samples only', () => {
    fc.assert(
      fc.property(fc.integer({ min: 3, max: 20 }), fc.array(starts, { maxLength: 50 }), slopes, (n, before, slope) => {
        const noise = before.map((value, i) => [i, value] as const);
        const found = windowOf([...noise, ...line(n, 0, slope, before.length)], n);
        expect(found.count).toBe(n);
        expect(found.slope()?.perSecond).toBeCloseTo(slope, 0);
      }),
    );
  });

  it('is known from two samples on, and its uncertainty from three samples on', () => {
    expect(windowOf([]).slope()).toBeUndefined();
    expect(windowOf([[1, 5]]).slope()).toBeUndefined();
    expect(windowOf(line(2, 7, 3)).slope()).toEqual({ perSecond: 3, uncertainty: null });
  });

  it('ignores a sample that is not later than the last', () => {
    const window = windowOf(line(5, 0, 2));
    window.add(4, 1e9);
    window.add(1, 1e9);
    expect(window.count).toBe(5);
    expect(window.slope()?.perSecond).toBeCloseTo(2);
  });

  it('lies within its confidence interval in 95 of 100 cases', () => {
    const noise = gaussian(20261122);
    let within = 0;
    const trials = 4000;
    for (let trial = 0; trial < trials; trial++) {
      const found = windowOf(Array.from({ length: 8 }, (_, i) => [i, 1000 + 5 * i + 20 * noise()] as const)).slope();
      if (found && Math.abs(found.perSecond - 5) <= (found.uncertainty ?? 0)) within++;
    }
    expect(within / trials).toBeGreaterThan(0.94);
    expect(within / trials).toBeLessThan(0.96);
  });
});

describe('Student’s t', () => {
  // These values are from printed tables.
  it.each([
    [1, 12.706],
    [4, 2.776],
    [5, 2.571],
    [10, 2.228],
    [30, 2.042],
    [120, 1.98],
  ])('%i degrees of freedom: %f', (degrees, t) => expect(studentT975(degrees) / t).toBeCloseTo(1, 2.5));
});

describe('growthOf', () => {
  it('returns a range that includes the estimate, and has a null end if growth is uncertain', () => {
    const uncertain = fc.integer({ min: 0, max: 1e6 });
    fc.assert(
      fc.property(slopes, uncertain, fc.integer({ min: 0, max: 1e12 }), (perSecond, uncertainty, left) => {
        const growth = growthOf({ perSecond, uncertainty }, left);
        const [soonest, latest] = growth?.exhausted_in_seconds_range ?? [null, null];
        const exhausted = growth?.exhausted_in_seconds ?? null;
        expect(exhausted === null).toBe(perSecond <= 0);
        expect(growth?.exhausted_in_seconds_range === null).toBe(perSecond + uncertainty <= 0);
        expect(latest === null).toBe(perSecond - uncertainty <= 0);
        if (exhausted !== null && soonest !== null) expect(soonest).toBeLessThanOrEqual(exhausted);
        if (exhausted !== null && latest !== null) expect(latest).toBeGreaterThanOrEqual(exhausted);
      }),
    );
  });

  it('computes when no memory will be left', () => {
    expect(growthOf({ perSecond: 10, uncertainty: 5 }, 300)).toEqual({
      bytes_per_second: 10,
      uncertainty_bytes_per_second: 5,
      exhausted_in_seconds: 30,
      exhausted_in_seconds_range: [20, 60],
    });
    expect(growthOf({ perSecond: 10, uncertainty: 5 }, null)).toMatchObject({
      exhausted_in_seconds: null,
      exhausted_in_seconds_range: null,
    });
    expect(growthOf({ perSecond: 10, uncertainty: null }, 300)).toBeNull();
    expect(growthOf(undefined, 300)).toBeNull();
  });
});

/** Normally distributed numbers by the Box–Muller method. The seed makes them the same in every run. */
function gaussian(seed: number): () => number {
  let state = seed;
  const uniform = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state + 0.5) / 2 ** 32;
  };
  return () => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform());
}
