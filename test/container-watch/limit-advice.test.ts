import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { adviseLimit } from '../../src/container-watch/limit-advice.ts';
import type { ContainerMemory } from '../../src/model/container-report.ts';
import { aMemory, aReport } from './container-samples.ts';

const MIB = 2 ** 20;
const DAY = 86_400;
const advise = (memory: Partial<ContainerMemory>, seconds = DAY) =>
  adviseLimit(aReport({ memory: aMemory(memory) }), seconds);
const pressure = (avg300: number) => {
  const some = { avg10: avg300, avg60: avg300, avg300, total_ns: 1000 };
  return { some, full: some };
};

describe('the advised limit', () => {
  test('follows the peak when no limit was hit', () => {
    const advice = advise({
      limit_bytes: null,
      peak_bytes: 200 * MIB,
      unreclaimable_bytes: 190 * MIB,
      working_set_bytes: 191 * MIB,
    });
    expect(advice).toMatchObject({ limit_bytes: 256 * MIB, change: 'set', confidence: 'fair' });
  });

  test('is raised only for a reason that names more than the present limit', () => {
    const counts = { oom_kills: 0, ooms: 0, limit_hits: 0, high: null };
    fc.assert(
      fc.property(fc.nat(900), fc.nat(900), fc.nat(900), fc.nat(900), (limit, peak, held, used) => {
        const memory = {
          ...{ limit_bytes: (limit + 1) * MIB, peak_bytes: peak * MIB, counts },
          ...{ unreclaimable_bytes: held * MIB, working_set_bytes: used * MIB },
        };
        const advice = advise(memory);
        const sizes = [...(advice?.reasons.join(' ') ?? '').matchAll(/([\d.]+) ([MG])iB/g)];
        const named = sizes.map(([, number, unit]) => Number(number) * (unit === 'G' ? 1024 : 1));
        if (advice?.change === 'raise') expect(Math.max(...named)).toBeGreaterThan(limit + 1);
        if (advice?.change === 'lower') expect(advice.limit_bytes).toBeLessThan((limit + 1) * MIB);
      }),
    );
  });

  test('explains why it is above a present limit that is above the demand with its margin', () => {
    const counts = { oom_kills: 0, ooms: 0, limit_hits: 12, high: null };
    const tight = { limit_bytes: 64 * MIB, peak_bytes: 64 * MIB, unreclaimable_bytes: 41.9 * MIB, counts };
    const advice = advise({ ...tight, working_set_bytes: 50.2 * MIB });
    expect(advice).toMatchObject({ change: 'raise', limit_bytes: 80 * MIB });
    expect(advice?.reasons.slice(-2)).toEqual([
      'A container needs at least 16 MiB more than it uses, 50.2 MiB: 66.2 MiB.',
      'Rounded up: 80 MiB.',
    ]);
  });

  test('is not raised for a kill because the whole machine was out of memory', () => {
    const counts = { oom_kills: 1, ooms: 0, limit_hits: 0, high: null };
    const sizes = { peak_bytes: 1000 * MIB, unreclaimable_bytes: 900 * MIB, working_set_bytes: 900 * MIB };
    const advice = advise({ limit_bytes: 2048 * MIB, ...sizes, counts });
    expect(advice).toMatchObject({ limit_bytes: 2048 * MIB, change: 'keep', confidence: 'fair' });
    expect(advice?.reasons[0]).toContain('killed processes in the container once, but not at its limit');
  });

  test('is 1.5 times the present limit after a kill, with low confidence', () => {
    const counts = { oom_kills: 2, ooms: 2, limit_hits: 90, high: null };
    const advice = advise({ limit_bytes: 100 * MIB, peak_bytes: 100 * MIB, counts });
    expect(advice).toMatchObject({ limit_bytes: 160 * MIB, change: 'raise', confidence: 'low' });
    expect(advice?.reasons[0]).toContain('killed processes in the container 2 times at 100 MiB');
  });

  test('is higher when tasks wait for memory', () => {
    const counts = { oom_kills: 0, ooms: 0, limit_hits: 90, high: null };
    const advice = advise({ limit_bytes: 512 * MIB, peak_bytes: 512 * MIB, counts, pressure: pressure(20) });
    expect(advice).toMatchObject({ limit_bytes: 640 * MIB, change: 'raise' });
  });

  test('keeps the present limit when file pages fill it and no task waits', () => {
    const counts = { oom_kills: 0, ooms: 0, limit_hits: 5000, high: null };
    const fills = { limit_bytes: 512 * MIB, peak_bytes: 512 * MIB, unreclaimable_bytes: 40 * MIB, counts };
    expect(advise({ ...fills, working_set_bytes: 60 * MIB })).toMatchObject({ change: 'keep', limit_bytes: 512 * MIB });
  });

  test('is lower than a present limit that is far too high, after an hour of observation', () => {
    const idle = {
      limit_bytes: 4096 * MIB,
      peak_bytes: 100 * MIB,
      unreclaimable_bytes: 90 * MIB,
      working_set_bytes: 95 * MIB,
    };
    expect(advise(idle)).toMatchObject({ change: 'lower', limit_bytes: 128 * MIB, confidence: 'fair' });
    expect(advise(idle, 60)).toMatchObject({ change: 'keep', limit_bytes: 4096 * MIB, confidence: 'low' });
  });

  test('keeps a present limit that is about right', () => {
    const right = {
      limit_bytes: 256 * MIB,
      peak_bytes: 160 * MIB,
      unreclaimable_bytes: 150 * MIB,
      working_set_bytes: 155 * MIB,
    };
    expect(advise(right)).toMatchObject({ change: 'keep', limit_bytes: 256 * MIB });
  });

  test('is computed from the current usage on a kernel without memory.peak', () => {
    const now = { limit_bytes: null, peak_bytes: null, unreclaimable_bytes: 100 * MIB, working_set_bytes: 120 * MIB };
    expect(advise(now)).toMatchObject({ change: 'set', limit_bytes: 160 * MIB });
  });

  test('is never below the usage, and the reservation never above the limit', () => {
    for (let used = 1; used < 2 ** 40; used *= 3) {
      const advice = advise({
        limit_bytes: null,
        peak_bytes: used,
        unreclaimable_bytes: used,
        working_set_bytes: used,
      });
      expect(advice?.limit_bytes).toBeGreaterThan(used);
      expect(advice?.reservation_bytes).toBeLessThanOrEqual(advice?.limit_bytes ?? 0);
    }
  });

  test('is undefined for a container that does not run', () => {
    expect(adviseLimit(aReport({ memory: null }), DAY)).toBeUndefined();
  });
});
