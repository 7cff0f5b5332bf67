import { describe, expect, test } from 'vitest';
import { type Patience, patience } from '../../src/pressure/profile.ts';
import { ShortageJudge } from '../../src/pressure/shortage-judge.ts';
import type { ShortageSample } from '../../src/pressure/shortage-verdict.ts';

const MIB = 2 ** 20;
const PASS_MS = 200;

/** What a subject does at a time. Rates are shares of the time, and MiB a second. */
interface State {
  usedMib: number;
  some?: number;
  full?: number;
  refaultMib?: number;
  swapLeftMib?: number;
  kills?: number;
}

/** Plays subjects and returns "SECONDS PATH LEVEL CAUSE" for each report. */
function play(
  subjects: Record<string, { limitMib: number; at: (seconds: number) => State | undefined }>,
  seconds: number,
  how: Patience = patience.default,
): string[] {
  const judge = new ShortageJudge(how);
  const totals = new Map<string, { some: number; full: number; refaults: number }>();
  const told: string[] = [];
  for (let ms = 0; ms <= seconds * 1000; ms += PASS_MS) {
    const samples = Object.entries(subjects).flatMap(([path, { limitMib, at }]): ShortageSample[] => {
      const state = at(ms / 1000);
      if (!state) return [];
      const total = totals.get(path) ?? { some: 0, full: 0, refaults: 0 };
      totals.set(path, total);
      total.some += (state.some ?? state.full ?? 0) * PASS_MS * 1e6;
      total.full += (state.full ?? 0) * PASS_MS * 1e6;
      total.refaults += ((state.refaultMib ?? 0) * MIB * PASS_MS) / 1000;
      return [
        {
          ...{ path, id: null, limitBytes: limitMib * MIB, kills: true, unreclaimableBytes: state.usedMib * MIB },
          ...{ swapLeftBytes: (state.swapLeftMib ?? 0) * MIB, someNs: total.some, fullNs: total.full },
          ...{ refaultBytes: total.refaults, oomKills: state.kills ?? 0 },
        },
      ];
    });
    for (const { sample, level, verdict } of judge.judge(ms, samples)) {
      told.push(`${(ms / 1000).toFixed(1)} ${sample.path} ${level} ${verdict.cause ?? '-'}`);
    }
  }
  return told;
}

const criticals = (told: string[]) => told.filter((line) => line.includes('critical'));
const firstCritical = (told: string[]) => Number(criticals(told)[0]?.split(' ')[0] ?? Number.NaN);

describe('a limit that is reached by growth', () => {
  test.each([
    ['6 MiB/s to 256 MiB', 6, 256],
    ['25 MiB/s to 256 MiB', 25, 256],
    ['80 MiB/s to 256 MiB', 80, 256],
    ['0.5 MiB/s to 64 MiB', 0.5, 64],
    ['900 MiB/s to 4 GiB', 900, 4096],
  ])('%s is critical at least 1 s and at most 30 s before', (_, speed, limitMib) => {
    const fullAt = limitMib / speed;
    const told = play({ '/a': { limitMib, at: (s) => ({ usedMib: Math.min(limitMib, speed * s) }) } }, fullAt);
    const lead = fullAt - firstCritical(told);
    expect(lead).toBeGreaterThanOrEqual(1);
    expect(lead).toBeLessThan(30);
    expect(criticals(told)).toHaveLength(1);
  });

  test('is critical in time when the growth comes in steps', () => {
    const at = (s: number) => ({ usedMib: Math.min(256, 24 * Math.floor(s / 0.4)) });
    const told = play({ '/a': { limitMib: 256, at } }, 4.4);
    expect(firstCritical(told)).toBeLessThanOrEqual(4.26 - 1);
  });

  test('is not critical if the growth ends early, however fast it is', () => {
    const at = (s: number) => ({ usedMib: Math.min(150, 100 * s) });
    expect(play({ '/a': { limitMib: 256, at } }, 60)).toEqual([]);
  });

  test('is not critical while swap is left', () => {
    const at = (s: number) => ({ usedMib: Math.min(250, 20 * s), swapLeftMib: 4096 });
    expect(criticals(play({ '/a': { limitMib: 256, at } }, 30))).toEqual([]);
  });

  test('a heap that is collected and rises again is told at most once, at its first rise', () => {
    // The growth of the first rise cannot be told from growth to the limit: about 2 s are left.
    const told = (at: (s: number) => State) => criticals(play({ '/a': { limitMib: 256, at } }, 300));
    const slow = told((s) => ({ usedMib: s < 8 ? 235 * (s / 8) : 150 + 85 * ((s % 8) / 8) }));
    expect(slow).toEqual(['6.8 /a critical limit']);
    expect(told((s) => ({ usedMib: s < 3 ? 80 * s : 150 + 90 * ((s % 3) / 3) })).length).toBe(1);
    expect(told((s) => ({ usedMib: s < 60 ? 3.5 * s : 150 + 60 * ((s % 60) / 60) }))).toEqual([]);
  });

  test('each rise to a kill counts, although the rise before was as high', () => {
    // Every 60 s a container starts, grows for 43 s, and is killed.
    const at = (s: number) => ({ usedMib: Math.min(256, 6 * (s % 60)), kills: Math.floor((s + 17) / 60) });
    const told = criticals(play({ '/a': { limitMib: 256, at } }, 240));
    expect(told).toHaveLength(4);
  });
});

describe('stalls', () => {
  test('are not reported for the first seconds, nor if memory is not short', () => {
    const at = () => ({ usedMib: 40, some: 0.9, full: 0.8 });
    const told = play({ '/dd': { limitMib: 512, at } }, 120);
    expect(told).toEqual(['2.6 /dd low stalls']);
  });

  test('are critical when they last, and reclaim cannot help', () => {
    const at = () => ({ usedMib: 500, full: 0.9 });
    expect(criticals(play({ '/a': { limitMib: 512, at } }, 60))).toEqual(['3.4 /a critical stalls']);
    expect(criticals(play({ '/a': { limitMib: 512, at } }, 60, patience.calm))).toEqual(['16.8 /a critical stalls']);
  });

  test('are critical when evicted pages are read again and again', () => {
    const at = () => ({ usedMib: 40, full: 0.7, refaultMib: 300 });
    expect(criticals(play({ '/a': { limitMib: 512, at } }, 60))).toEqual(['8.6 /a critical stalls']);
  });

  test('of short bursts are not critical, however often they come', () => {
    const at = (s: number) => ({ usedMib: 500, full: s % 10 < 1.5 ? 1 : 0 });
    expect(criticals(play({ '/a': { limitMib: 512, at } }, 600))).toEqual([]);
  });

  test('are over after the cool-down, in one episode', () => {
    const at = (s: number) => (s < 20 ? { usedMib: 500, full: 0.9 } : { usedMib: 100 });
    const told = play({ '/a': { limitMib: 512, at } }, 60);
    expect(told.map((line) => line.split(' ')[2])).toEqual(['low', 'medium', 'critical', 'normal']);
  });
});

describe('cgroups above', () => {
  const short = () => ({ usedMib: 500, full: 0.9 });
  test('are not reported for the stalls of a cgroup below, nor after it was removed', () => {
    const inner = (s: number) => (s < 20 ? short() : undefined);
    const outer = (s: number) => ({ usedMib: 900, full: s < 20 ? 0.9 : 0 });
    const told = play(
      { '/': { limitMib: 2048, at: outer }, '/a': { limitMib: 1000, at: outer }, '/a/b': { limitMib: 512, at: inner } },
      60,
    );
    expect(told.every((line) => line.includes(' /a/b '))).toBe(true);
    expect(criticals(told)).toHaveLength(1);
    expect(told.at(-1)).toContain('/a/b normal');
  });

  test('are reported if the cgroup below is not short', () => {
    const told = play(
      { '/a': { limitMib: 512, at: short }, '/a/b': { limitMib: 400, at: () => ({ usedMib: 100 }) } },
      20,
    );
    expect(criticals(told)).toEqual(['3.4 /a critical stalls']);
  });

  test('of the limits that growth reaches, only the one that is reached first is reported', () => {
    const grows = (more: number) => (s: number) => ({ usedMib: more + 20 * s });
    const inner = { '/a/b': { limitMib: 256, at: grows(0) } };
    const outerSooner = play({ '/a': { limitMib: 512, at: grows(300) }, ...inner }, 10.4);
    expect(criticals(outerSooner).map((line) => line.split(' ')[1])).toEqual(['/a']);
    const innerSooner = play({ '/a': { limitMib: 300, at: grows(0) }, ...inner }, 12.6);
    expect(criticals(innerSooner).map((line) => line.split(' ')[1])).toEqual(['/a/b']);
  });
});
