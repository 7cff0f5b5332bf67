import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import {
  type BadnessInput,
  badnessRules,
  byBadness,
  oomBadness,
  sparedBy,
} from '../../src/kernel-facts/oom-badness.ts';
import type { KernelVersion } from '../../src/kernel-facts/version.ts';

const PAGE = 4096;
/** With 1,000,000 pages, 1 point of oom_score_adj is 1000 pages. */
const DOMAIN_PAGES = 1_000_000;

function processOf(pages: { rss?: number; swap?: number; tables?: number }, more: Partial<BadnessInput> = {}) {
  const { rss = 0, swap = 0, tables = 0 } = pages;
  const held = { rssBytes: rss * PAGE, swapBytes: swap * PAGE, pageTablesBytes: tables * PAGE };
  return { pid: 100, uid: 1000, oomScoreAdj: 0, ...held, ...more };
}

const on = (version: KernelVersion, bytes = DOMAIN_PAGES * PAGE, pageBytes = PAGE) => ({
  bytes,
  pageBytes,
  rules: badnessRules(version),
});

const KERNELS: KernelVersion[] = [
  [3, 5],
  [3, 13],
  [3, 14],
  [4, 16],
  [4, 17],
  [5, 8],
  [5, 9],
  [5, 10],
  [6, 1],
  [6, 2],
  [6, 18],
  [7, 0],
  [7, 2],
];

describe('on every kernel', () => {
  it.each(KERNELS)('%i.%i adds RSS, swap and page tables', (...version) => {
    expect(oomBadness(processOf({ rss: 5000, swap: 300, tables: 20 }), on(version))).toBe(5320);
  });

  it.each(KERNELS)('%i.%i adds oom_score_adj × (domain / 1000, rounded down to whole pages)', (...version) => {
    expect(oomBadness(processOf({ rss: 5000 }, { oomScoreAdj: 7 }), on(version))).toBe(12_000);
    // A thousandth of 1999 pages is rounded down to 1 page, and a thousandth of 999 pages to 0.
    expect(oomBadness(processOf({ rss: 10 }, { oomScoreAdj: 500 }), on(version, 1999 * PAGE))).toBe(510);
    expect(oomBadness(processOf({ rss: 10 }, { oomScoreAdj: 500 }), on(version, 999 * PAGE))).toBe(10);
  });

  it.each(KERNELS)('%i.%i never chooses init, oom_score_adj -1000, or a vfork child', (...version) => {
    const spared: [Partial<BadnessInput>, string][] = [
      [{ pid: 1 }, 'init'],
      [{ oomScoreAdj: -1000 }, 'oom_score_adj'],
      [{ vfork: true }, 'vfork'],
    ];
    for (const [more, reason] of spared) {
      const process = processOf({ rss: 900_000 }, more);
      expect(sparedBy(process)).toBe(reason);
      expect(oomBadness(process, on(version))).toBeNull();
    }
    expect(sparedBy(processOf({}, { oomScoreAdj: -999 }))).toBeNull();
  });

  it('rounds each size down to whole pages', () => {
    const process = { ...processOf({}), rssBytes: 2 * PAGE - 1, swapBytes: PAGE - 1, pageTablesBytes: PAGE + 512 };
    expect(oomBadness(process, on([6, 1]))).toBe(2);
    expect(oomBadness(process, on([6, 1], DOMAIN_PAGES * PAGE, 65_536))).toBe(0);
  });

  it('rounds nothing with pages of one byte', () => {
    const process = processOf({ rss: 1 }, { oomScoreAdj: 1 });
    expect(oomBadness(process, on([7, 0], 12_345, 1))).toBe(PAGE + 12);
  });
});

describe('the bonus of processes with CAP_SYS_ADMIN', () => {
  const root = processOf({ rss: 50_000, tables: 50 }, { uid: 0 });

  it.each<KernelVersion>([
    [3, 5],
    [3, 13],
  ])('%i.%i: thirty thousandths of the domain’s memory', (...version) => {
    expect(oomBadness(root, on(version))).toBe(50_050 - 30_000);
  });

  it.each<KernelVersion>([
    [3, 14],
    [4, 0],
    [4, 16],
  ])('%i.%i: three hundredths of the memory of the process, rounded down', (...version) => {
    expect(oomBadness(root, on(version))).toBe(50_050 - 1501);
    // The bonus does not reduce the part that oom_score_adj adds.
    expect(oomBadness({ ...root, oomScoreAdj: 10 }, on(version))).toBe(50_050 - 1501 + 10_000);
  });

  it.each<KernelVersion>([
    [4, 17],
    [5, 10],
    [7, 2],
  ])('%i.%i: no bonus', (...version) => {
    expect(oomBadness(root, on(version))).toBe(50_050);
  });

  it('is not given to other users, nor if the user is unknown', () => {
    for (const uid of [1000, null]) expect(oomBadness({ ...root, uid }, on([4, 4]))).toBe(50_050);
  });
});

describe('the lowest badness', () => {
  const lowered = processOf({ rss: 10 }, { oomScoreAdj: -500 });

  it('is 1 up to 5.8', () => {
    for (const version of [
      [3, 10],
      [4, 19],
      [5, 8],
    ] as const) {
      expect(oomBadness(lowered, on(version))).toBe(1);
      expect(oomBadness(processOf({}), on(version))).toBe(1);
    }
  });

  it('may be negative since 5.9, so that processes with a negative oom_score_adj keep their order', () => {
    expect(oomBadness(lowered, on([5, 9]))).toBe(10 - 500_000);
    expect(oomBadness(processOf({}), on([5, 9]))).toBe(0);
  });
});

describe('per-CPU counters of RSS', () => {
  const process = processOf({ rss: 5000, swap: 300, tables: 20 }, { approximateBytes: 4100 * PAGE });

  it.each<[number, number, number]>([
    [6, 1, 5320],
    [6, 2, 4120],
    [6, 18, 4120],
    [7, 0, 5320],
    [7, 2, 5320],
  ])('in kernel %i.%i lead to a badness of %i pages', (major, minor, pages) => {
    expect(oomBadness(process, on([major, minor]))).toBe(pages);
  });

  it('are replaced by the exact values if the shared part is unknown', () => {
    for (const approximateBytes of [null, undefined]) {
      expect(oomBadness(processOf({ rss: 5000 }, { approximateBytes } as BadnessInput), on([6, 6]))).toBe(5000);
    }
  });
});

test('chooses the earlier of two processes with equal badness up to 5.2, and the later since 5.3', () => {
  expect(
    [
      [3, 10],
      [5, 2],
      [5, 3],
      [7, 0],
    ].map((version) => badnessRules(version as never).laterOfEquals),
  ).toEqual([false, false, true, true]);
});

test('sorts by badness, then the younger first, and puts processes last that are never chosen', () => {
  const of = (points: number | null, startTicks: number, pid: number) => ({ points, startTicks, pid });
  const sorted = [of(5, 10, 1), of(-3, 9, 2), of(null, 99, 3), of(7, 1, 4), of(5, 11, 5), of(5, 11, 6), of(null, 98, 7)]
    .sort(byBadness)
    .map(({ pid }) => pid);
  expect(sorted).toEqual([4, 6, 5, 1, 2, 3, 7]);
});

test('badness never falls when memory or oom_score_adj grows', () => {
  const bytes = fc.nat({ max: 2 ** 31 - 1 });
  const adj = fc.integer({ min: -999, max: 1000 });
  fc.assert(
    fc.property(
      fc.constantFrom(...KERNELS),
      fc.nat(1),
      bytes,
      bytes,
      adj,
      adj,
      (version, uid, one, other, low, high) => {
        const at = (rssBytes: number, oomScoreAdj: number) =>
          oomBadness({ ...processOf({}), uid, rssBytes, oomScoreAdj }, on(version)) as number;
        expect(at(Math.max(one, other), low)).toBeGreaterThanOrEqual(at(Math.min(one, other), low));
        expect(at(one, Math.max(low, high))).toBeGreaterThanOrEqual(at(one, Math.min(low, high)));
      },
    ),
  );
});
