/**
 * The default rules on a small machine that runs out of memory while hardly any of it is anonymous, and on machines most of whose memory is used for months, but not by ordinary processes. The guard
 * samples as often as it asks to, and growth is measured from these samples.
 */
import { describe, expect, it } from 'vitest';
import { readGuard } from '../../../src/config/guard.ts';
import { type Decision, Policy } from '../../../src/guard/rules/decide.ts';
import { Detectors } from '../../../src/guard/rules/detect.ts';
import { nextSampleMs, slackOf } from '../../../src/guard/rules/pace.ts';
import { slopeOf } from '../../../src/guard/senses/figures.ts';
import { GrowthWindow } from '../../../src/series/growth.ts';
import { cgroup, GIB, MIB, process_, sample, self, system } from './world.ts';

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

it('a guard at rest on a small machine with next to no memory available waits for memory to move', () => {
  const state = system({ total_bytes: 452 * MIB, available_bytes: 9 * MIB, anon_bytes: 50 * MIB });
  const now = sample(0, { system: state });
  const ofMemory = rules.filter(({ name }) => name !== 'everything waits for memory');
  expect(slackOf({ ...options, rules: ofMemory }, now)).toEqual([{ path: null, bytes: (9 * MIB) / 4 }]);
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

/**
 * A machine of 452 MiB, as in the seeds 116 and 488 of docs/proofs/shortages.md: the kernel's OOM killer acts when MemAvailable
 * has shrunk to 7 MiB, most of it slab that cannot be reclaimed.
 */
describe('a small machine whose memory is nearly all shared', () => {
  const SMALL = { total: 452, anon: 50, kernelKills: 7 };
  const SHARERS = { rss_bytes: 200 * MIB, shmem_bytes: 200 * MIB, growth_bytes_per_second: 0 };
  const leaks = (mibPerSecond: number) => ({
    ...{ rss_bytes: 120 * MIB, shmem_bytes: 120 * MIB },
    growth_bytes_per_second: mibPerSecond * MIB,
  });

  /** Memory shrinks at a steady rate from 60 MiB on, to no less than `leftMib`. @returns the first decision that is no skip, else the last */
  function decisionAt(mibPerSecond: number, leftMib: number, eater: Parameters<typeof process_>[1]) {
    const policy = new Policy(options, self);
    const window = new GrowthWindow();
    let decided: { decision: Decision; availableMib: number } | undefined;
    for (let ms = 0; ms < 40_000; ms += 20) {
      const availableMib = Math.max(leftMib, 60 - (ms / 1000) * mibPerSecond);
      if (availableMib <= SMALL.kernelKills) break;
      window.add(ms / 1000, -availableMib * MIB);
      const now = sample(ms, {
        system: system({
          ...{ total_bytes: SMALL.total * MIB, available_bytes: availableMib * MIB, anon_bytes: SMALL.anon * MIB },
          growth_bytes_per_second: slopeOf(window),
          use: { ...use, shmem_bytes: 320 * MIB, anon_bytes: SMALL.anon * MIB },
        }),
        processes: [process_(1001, SHARERS), process_(1002, eater)],
        uptime_seconds: 1000,
      });
      for (const fired of policy.update(now)) {
        decided = { decision: policy.decide(fired, now), availableMib };
        if (decided.decision.kind === 'kill') return decided;
      }
    }
    return decided;
  }

  it.each([3, 8, 12, 40])('the process that takes %s MiB a second ends before the kernel acts', (rate) => {
    const { decision, availableMib } = decisionAt(rate, 0, leaks(rate)) ?? {};
    expect(decision).toMatchObject({ kind: 'kill', victim: { target: { pid: 1002 } } });
    expect(availableMib).toBeGreaterThan(10);
  });

  it('no process ends where none of them takes the memory', () => {
    expect(decisionAt(12, 0, leaks(0))?.decision).toMatchObject({ kind: 'skip', reason: 'no_candidate' });
    expect(decisionAt(12, 0, leaks(5))?.decision).toMatchObject({ kind: 'skip', reason: 'no_candidate' });
  });

  it('no process ends whose growth has ended', () => {
    const ended = { ...leaks(12), recent_growth_bytes_per_second: 0 };
    expect(decisionAt(12, 0, ended)?.decision).toMatchObject({ kind: 'skip', reason: 'no_candidate' });
  });

  it('no rule fires at a burst that ends with 4 % of the memory available, or at rest with 2 %', () => {
    expect(decisionAt(40, 18, leaks(40))).toBeUndefined();
    expect(decisionAt(1.5, 9, leaks(1.5))).toBeUndefined();
  });
});
