/**
 * The default rules on machines most of whose memory is used for months, but not by ordinary processes. The guard
 * samples as often as it asks to, and growth is measured from these samples.
 */
import { describe, expect, it } from 'vitest';
import { readGuard } from '../../../src/config/guard.ts';
import { Detectors } from '../../../src/guard/rules/detect.ts';
import { nextSampleMs, slackOf } from '../../../src/guard/rules/pace.ts';
import { slopeOf } from '../../../src/guard/senses/figures.ts';
import { GrowthWindow } from '../../../src/series/growth.ts';
import { cgroup, GIB, MIB, sample, system } from './world.ts';

const rules = readGuard({}).guard?.policy.rules ?? [];
const options = { rules, killsPerMinute: 10, protect: [] };
const use = { anon_bytes: 0, file_bytes: 0, shmem_bytes: 0, kernel_bytes: 0, hugetlb_bytes: 0, unevictable_bytes: 0 };

interface Machine {
  availableMib: number;
  anonMib: number;
  /** What holds the rest of its 16 GiB. */
  holder: 'shmem_bytes' | 'hugetlb_bytes';
}

/** Virtual machines whose memory is a shared segment. */
const SHARED: Machine = { availableMib: 300, anonMib: 800, holder: 'shmem_bytes' };
const HUGE_PAGES: Machine = { availableMib: 800, anonMib: 300, holder: 'hugetlb_bytes' };

function at(ms: number, { availableMib, anonMib, holder }: Machine, takenMib: number, growth: number | null) {
  const available = (availableMib - takenMib) * MIB;
  const anon = (anonMib + takenMib) * MIB;
  const state = system({
    ...{ total_bytes: 16 * GIB, available_bytes: available, anon_bytes: anon, growth_bytes_per_second: growth },
    use: { ...use, anon_bytes: anon, [holder]: 16 * GIB - (availableMib + anonMib) * MIB },
  });
  return sample(ms, { system: state });
}

/**
 * After a second of rest, a process takes `mib` of memory at a steady rate, and keeps it for 2 s.
 * @returns the rules that fired, by name
 */
function firedBy(machine: Machine, mib: number, mibPerSecond: number): string[] {
  const detectors = new Detectors(rules);
  const window = new GrowthWindow();
  const fired: string[] = [];
  for (let ms = 0; ms < 3000 + (1000 * mib) / mibPerSecond; ) {
    const taken = Math.min(mib, Math.max(0, ((ms - 1000) / 1000) * mibPerSecond));
    window.add(ms / 1000, (taken - machine.availableMib) * MIB);
    const taking = at(ms, machine, taken, slopeOf(window));
    fired.push(...detectors.update(taking).map(({ rule }) => rule.name));
    ms += nextSampleMs(options, taking);
  }
  return [...new Set(fired)];
}

it('no rule fires at a burst that ends beside virtual machines in shared memory', () => {
  expect(firedBy(SHARED, 86, 200)).toEqual([]);
  expect(firedBy(SHARED, 120, 200)).toEqual([]);
});

it('no rule fires at a burst that ends beside huge pages', () => {
  expect(firedBy(HUGE_PAGES, 300, 1000)).toEqual([]);
});

it('a rule fires at a leak that does not end on the same machines', () => {
  for (const machine of [SHARED, HUGE_PAGES])
    expect(firedBy(machine, machine.availableMib, 200)).toContain('memory and swap run out');
});

it('a guard at rest on the same machines waits for memory to move', () => {
  for (const machine of [SHARED, HUGE_PAGES]) {
    const [slack] = slackOf(options, at(0, machine, 0, 0)) ?? [];
    expect(slack?.bytes).toBeGreaterThan(50 * MIB);
  }
});

describe('a cgroup that is full and at rest', () => {
  const full = (growth: number | null) =>
    sample(0, {
      system: system({ available_bytes: GIB, total_bytes: 2 * GIB }),
      cgroups: [cgroup('/full', { usage_bytes: 97 * MIB, limit_bytes: 100 * MIB, growth_bytes_per_second: growth })],
    });

  it.each([null, 0, -5 * MIB, 0.1 * MIB])('is only looked at while it grows by %s bytes a second', (growth) => {
    const slack = slackOf(options, full(growth));
    expect(slack?.find(({ path }) => path === '/full')?.bytes).toBe(0.75 * MIB);
  });

  it('is sampled all the time when its rest would last for 15 s', () => {
    expect(slackOf(options, full(0.2 * MIB))).toBeUndefined();
  });
});
