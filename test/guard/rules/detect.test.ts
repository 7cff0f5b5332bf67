import { describe, expect, it, test } from 'vitest';
import { ownerOf } from '../../../src/containers/container-path.ts';
import { Detectors, holdNow } from '../../../src/guard/rules/detect.ts';
import { measure } from '../../../src/guard/rules/metric.ts';
import { headroomMs, isNear, nextSampleMs } from '../../../src/guard/rules/pace.ts';
import type { Detector, Metric } from '../../../src/guard/rules/rule.ts';
import { cgroup, detector, GIB, MIB, rule, sample, system } from './world.ts';

describe('measures', () => {
  const averages = { avg10: 12.5, avg60: 3, avg300: 1 };
  const pressure = { some: { ...averages, avg10: 20 }, full: averages };
  const windows = [{ window_seconds: 0.1, some: 80, full: null }];
  const of = (metric: Metric, unit: 'percent' | 'bytes' | 'seconds' | 'rounds' = 'percent', on?: 'cgroup') =>
    measure(
      detector(metric, '<', 0, unit),
      system({
        swap_total_bytes: 4 * GIB,
        swap_free_bytes: GIB,
        growth_bytes_per_second: 100 * MIB,
        pressure,
        windows,
      }),
      on && cgroup('/a', { inactive_file_bytes: 20 * MIB, growth_bytes_per_second: 10 * MIB, fruitless_rounds: 20 }),
    );

  it.each([
    [of({ name: 'available' }), 5], // in percent of MemAvailable + AnonPages, as earlyoom computes it
    [of({ name: 'available' }, 'bytes'), 50 * MIB],
    [of({ name: 'usage' }), (100 * (1024 - 50)) / 1024],
    [of({ name: 'swap_free' }), 25],
    [of({ name: 'exhausted_in' }, 'seconds'), (50 + 1024) / 100],
    [of({ name: 'pressure', share: 'full', over: 'avg10' }), 12.5],
    [of({ name: 'pressure', share: 'some', over: 'avg10' }), 20],
    [of({ name: 'pressure', share: 'some', over: 100 }), 80],
    [of({ name: 'pressure', share: 'full', over: 100 }), null],
    [of({ name: 'pressure', share: 'some', over: 10 }), null],
    [of({ name: 'rounds_left' }, 'rounds'), null],
    [of({ name: 'available' }, 'percent', 'cgroup'), 30],
    [of({ name: 'available' }, 'bytes', 'cgroup'), 30 * MIB],
    [of({ name: 'usage' }, 'percent', 'cgroup'), 70],
    [of({ name: 'exhausted_in' }, 'seconds', 'cgroup'), 3],
    [of({ name: 'swap_free' }, 'percent', 'cgroup'), 25],
    [of({ name: 'rounds_left' }, 'rounds', 'cgroup'), 0],
  ])('%#: %d', (value, expected) => {
    if (expected === null) expect(value).toBeNull();
    else expect(value).toBeCloseTo(expected, 9);
  });

  test('free swap where there is none, and available memory of a cgroup without a limit, as unknown', () => {
    const swapFree = detector({ name: 'swap_free' }, '<=', 10);
    expect(measure(swapFree, system(), undefined)).toBeNull();
    const swapped = { swap_total_bytes: GIB, swap_free_bytes: GIB };
    expect(measure(swapFree, system(swapped), cgroup('/a', { swap_bytes: 0, swap_limit_bytes: 0 }))).toBeNull();
    expect(measure(detector({ name: 'available' }, '<', 1), system(), cgroup('/a', { limit_bytes: null }))).toBeNull();
  });
});

const fires = (detectors: Detectors, ...samples: Parameters<Detectors['update']>[0][]) =>
  samples.map((one) => detectors.update(one).map(({ cgroup: at }) => at?.path ?? ''));

test('fires each rule independently when all of its detectors are true', () => {
  const low = detector({ name: 'available' }, '<=', 10);
  const noSwap = detector({ name: 'swap_free' }, '<=', 10);
  const at = (available: number, swapFree: number) =>
    sample(0, {
      system: system({
        available_bytes: available,
        anon_bytes: 100 - available,
        swap_total_bytes: 100,
        swap_free_bytes: swapFree,
      }),
    });
  const both = [rule({ when: [low, noSwap] })];
  const either = [rule({ when: [low] }), rule({ when: [noSwap] })];
  const count = (rules: typeof both, ...given: [number, number]) => new Detectors(rules).update(at(...given)).length;
  expect([count(both, 10, 10), count(both, 11, 10), count(both, 10, 11)]).toEqual([1, 0, 0]);
  expect([count(either, 10, 10), count(either, 11, 10), count(either, 11, 11)]).toEqual([2, 1, 0]);
});

test('starts the time of a detector when it becomes true, and again when it was false in between', () => {
  const detectors = new Detectors([
    rule({ when: [detector({ name: 'available' }, '<=', 10, 'percent', { forMs: 1000 })] }),
  ]);
  const low = (ms: number) => sample(ms);
  const fine = (ms: number) => sample(ms, { system: system({ available_bytes: GIB }) });
  expect(fires(detectors, low(0), low(999), low(1000), fine(1100), low(1200), low(2199), low(2200))).toEqual([
    [],
    [],
    [''],
    [],
    [],
    [],
    [''],
  ]);
});

test('fires for each cgroup independently, whether a glob or the place `containers` selects the cgroup', () => {
  const when = [detector({ name: 'usage' }, '>=', 90, 'percent', { forMs: 100 })];
  const at = (ms: number, ...cgroups: ReturnType<typeof cgroup>[]) => sample(ms, { cgroups });
  const globbed = new Detectors([rule({ on: [{ kind: 'cgroup', glob: '/app/*' }], when })]);
  const a = cgroup('/app/a');
  const b = cgroup('/app/b');
  expect(fires(globbed, at(0, a), at(50, a, b), at(100, a, b, cgroup('/other')), at(150, a, b))).toEqual([
    [],
    [],
    ['/app/a'],
    ['/app/a', '/app/b'],
  ]);
  // A cgroup that was removed and created again counts as a new cgroup.
  expect(fires(globbed, at(200, a), at(250, a, b))).toEqual([['/app/a'], ['/app/a']]);

  const containers = new Detectors([
    rule({ on: [{ kind: 'containers' }], when: [detector({ name: 'usage' }, '>', 1)] }),
  ]);
  const { container } = ownerOf(`/docker/${'0'.repeat(64)}`);
  expect(fires(containers, at(0, a, cgroup('/docker/x', { container })))).toEqual([['/docker/x']]);
});

test('uses the value of the whole system for a detector with "system." in a rule that watches cgroups', () => {
  const when = [
    detector({ name: 'usage' }, '>=', 90),
    detector({ name: 'available' }, '<=', 10, 'percent', { place: 'system' }),
  ];
  const detectors = new Detectors([rule({ on: [{ kind: 'cgroup', glob: '/a' }], when })]);
  const cgroups = [cgroup('/a')];
  expect(fires(detectors, sample(0, { cgroups }))).toEqual([['/a']]);
  expect(fires(detectors, sample(1, { cgroups, system: system({ available_bytes: GIB }) }))).toEqual([[]]);
});

test('never fires on an unknown value, with any comparison operator', () => {
  for (const operator of ['<', '<=', '>', '>='] as const) {
    const metric = { name: 'growth' } as const;
    expect(new Detectors([rule({ when: [detector(metric, operator, 0)] })]).update(sample(0))).toEqual([]);
  }
});

test('samples more often the less memory is left', () => {
  const options = { rules: [rule()], killsPerMinute: 5, protect: [] };
  const at = (available: number) => sample(0, { system: system({ available_bytes: available * MIB, anon_bytes: 0 }) });
  expect(nextSampleMs(options, at(5000))).toBeCloseTo((0.9 * 5000 * MIB) / 6e6, 3);
  expect(nextSampleMs(options, at(50_000))).toBe(1000);
  expect(nextSampleMs(options, sample(0))).toBe(10);
  const steady = { ...options, rules: [rule({ when: [detector({ name: 'growth' }, '>', 1, 'bytes')] })] };
  expect(nextSampleMs(steady, at(5000))).toBe(100);
});

test('is near when the value is at most twice the limit at which the rule fires', () => {
  const at = (available: number, anon: number) =>
    sample(0, { system: system({ available_bytes: available, anon_bytes: anon }) });
  const low = rule({ when: [detector({ name: 'available' }, '<=', 10)] });
  expect([isNear(low, at(20, 80), undefined), isNear(low, at(21, 79), undefined)]).toEqual([true, false]);
  const used = rule({ when: [detector({ name: 'usage' }, '>=', 90)] });
  const group = (bytes: number) => cgroup('/a', { usage_bytes: bytes, limit_bytes: 100 });
  expect([isNear(used, at(1, 1), group(80)), isNear(used, at(1, 1), group(79))]).toEqual([true, false]);
  expect(isNear(rule({ when: [detector({ name: 'growth' }, '>', 1)] }), at(1, 1), undefined)).toBe(false);
});

describe('where there is no swap, a detector that asks for little free swap', () => {
  const noSwap = detector({ name: 'swap_free' }, '<=', 10);
  const low = detector({ name: 'available' }, '<=', 10);
  const count = (when: Detector[], given = system()) =>
    new Detectors([rule({ when })]).update(sample(0, { system: given })).length;

  test('never fires alone, also with an unchanged swap file of a cgroup that may not use it', () => {
    expect(count([noSwap], system({ available_bytes: GIB }))).toBe(0);
    expect(count([noSwap])).toBe(0);
    const detectors = new Detectors([rule({ on: [{ kind: 'cgroup', glob: '/a' }], when: [noSwap] })]);
    const cgroups = [cgroup('/a', { swap_bytes: 0, swap_limit_bytes: 0 })];
    const swapped = system({ swap_total_bytes: GIB, swap_free_bytes: GIB });
    expect(detectors.update(sample(0, { cgroups, system: swapped }))).toEqual([]);
  });

  test('leaves the decision to the others of its rule', () => {
    expect(count([low, noSwap])).toBe(1);
    expect(count([low, noSwap], system({ available_bytes: GIB }))).toBe(0);
    expect(holdNow([low, noSwap], sample(0), undefined)).toBe(true);
    expect(holdNow([noSwap], sample(0), undefined)).toBe(false);
    expect(isNear(rule({ when: [low, noSwap] }), sample(0), undefined)).toBe(true);
    expect(isNear(rule({ when: [noSwap] }), sample(0), undefined)).toBe(false);
    expect(headroomMs(rule({ when: [low, noSwap] }), sample(0), undefined)).toBe(0);
    expect(headroomMs(rule({ when: [noSwap] }), sample(0), undefined)).toBe(1000);
  });

  test('does not hold when it requires much free swap', () => {
    expect(count([low, detector({ name: 'swap_free' }, '>=', 50)])).toBe(0);
  });
});

test('pages of files that the kernel reclaims before it kills are available memory of a cgroup', () => {
  const available = (given: Parameters<typeof cgroup>[1]) =>
    measure(
      detector({ name: 'available' }, '<', 1, 'bytes'),
      system(),
      cgroup('/a', { usage_bytes: 95 * MIB, ...given }),
    );
  expect(available({ inactive_file_bytes: 5 * MIB, reclaimable_bytes: 60 * MIB })).toBe(65 * MIB);
  // Unknown is not 0: a rule must not fire because memory.stat cannot be read.
  expect(available({ reclaimable_bytes: null })).toBeNull();
});

test('time in which the guard was stopped does not count as time of a detector', () => {
  const when = [detector({ name: 'available' }, '<=', 10, 'percent', { forMs: 5000 })];
  const detectors = new Detectors([rule({ when })]);
  const before = Array.from({ length: 3 }, (_, i) => sample(i * 1000));
  expect(fires(detectors, ...before, sample(60_000), sample(61_000))).toEqual([[], [], [], [], []]);
  const [fired] = detectors.update(sample(62_000));
  expect(fired?.readings[0]?.held_ns).toBe(5.5e9);
});
