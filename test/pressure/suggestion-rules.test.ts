import fc from 'fast-check';
import { expect, test } from 'vitest';
import { badnessRules } from '../../src/kernel-facts/oom-badness.ts';
import { type EndableProcess, shortageBytes, suggest } from '../../src/pressure/suggestion-rules.ts';

const MIB = 2 ** 20;
const DOMAIN = { bytes: 1000 * MIB, pageBytes: 4096, rules: badnessRules([7, 0]) };
const SELF = [500, 400];
const NEEDED = 100 * MIB;

function process(pid: number, rssMib: number, more: Partial<EndableProcess> = {}): EndableProcess {
  const bytes = rssMib * MIB;
  return {
    ...{
      pid,
      startTicks: pid,
      uid: 0,
      comm: `p${pid}`,
      cgroup: '/a',
      oomScoreAdj: 0,
      rssBytes: bytes,
      anonBytes: bytes,
    },
    ...{ swapBytes: 0, pageTablesBytes: 0, growthBytesPerSecond: null },
    ...more,
  };
}

test('suggests processes in the kernel’s order, with reasons and the memory that is freed', () => {
  const all = [
    process(10, 100),
    process(11, 300, { anonBytes: 200 * MIB, pageTablesBytes: 2 * MIB, growthBytesPerSecond: 4 * MIB }),
    process(12, 50, { oomScoreAdj: 300, swapBytes: 10 * MIB }),
    process(13, 20),
  ];
  const { candidates, excluded } = suggest(all, DOMAIN, NEEDED, SELF);
  expect(candidates.map(({ pid }) => pid)).toEqual([12, 11, 10]);
  expect(candidates[0]).toMatchObject({
    badness_bytes: 360 * MIB,
    returns_bytes: 50 * MIB,
    returns_swap_bytes: 10 * MIB,
  });
  expect(candidates[0]?.reason).toBe(
    'the kernel would choose it first, it holds 6 % of the memory, oom_score_adj 300, ending it frees up to 50 MiB, 60 % of the shortage',
  );
  expect(candidates[1]?.reason).toBe(
    'it holds 30 % of the memory, it grows +4 MiB/s, ending it frees up to 202 MiB, 100 % of the shortage',
  );
  expect(excluded).toEqual([]);
});

test('names large processes that must not be ended, with the reason', () => {
  const all = [
    process(1, 900),
    process(500, 800),
    process(400, 700),
    process(7, 600, { oomScoreAdj: -1000 }),
    process(8, 15),
  ];
  const { candidates, excluded } = suggest(all, DOMAIN, NEEDED, SELF);
  expect(candidates.map(({ pid }) => pid)).toEqual([8]);
  expect(excluded.map(({ pid, reason }) => [pid, reason])).toEqual([
    [1, 'init'],
    [500, 'self'],
    [400, 'ancestor'],
    [7, 'spared'],
  ]);
});

test('suggests only processes whose end would help, in the kernel’s order, with the share that each cures', () => {
  const all = [process(10, 40, { oomScoreAdj: 500, anonBytes: MIB }), process(11, 15), process(12, 50), process(13, 9)];
  const { candidates, tooSmall } = suggest(all, DOMAIN, NEEDED, SELF);
  expect(candidates.map(({ pid, cures }) => [pid, cures])).toEqual([
    [12, 0.5],
    [11, 0.15],
  ]);
  expect(candidates[0]?.reason).not.toContain('the kernel would choose it first');
  expect(tooSmall).toBeUndefined();
});

test('names the largest process if the end of none would help', () => {
  const { candidates, tooSmall } = suggest([process(10, 1), process(11, 2)], DOMAIN, NEEDED, SELF);
  expect(candidates).toEqual([]);
  expect(tooSmall?.pid).toBe(11);
});

test('a shortage is what is missing to a fifth of the limit, at least a twentieth', () => {
  expect(shortageBytes(1000, 0)).toBe(200);
  expect(shortageBytes(1000, 120)).toBe(80);
  expect(shortageBytes(1000, 900)).toBe(50);
});

test('leaves out small processes that must not be ended', () => {
  const all = [process(1, 1), process(10, 100), process(11, 90), process(12, 80)];
  expect(suggest(all, DOMAIN, NEEDED, SELF).excluded).toEqual([]);
});

test('suggests nothing if no process may be ended', () => {
  expect(suggest([], DOMAIN, NEEDED, SELF)).toEqual({ candidates: [], excluded: [], tooSmall: undefined });
  expect(suggest([process(1, 10)], DOMAIN, NEEDED, SELF).candidates).toEqual([]);
});

test('never suggests a process that must not be ended, and sorts by badness', () => {
  const any = fc.array(
    fc.tuple(fc.integer({ min: 1, max: 600 }), fc.nat(1000), fc.integer({ min: -1000, max: 1000 })),
    { maxLength: 60 },
  );
  fc.assert(
    fc.property(any, (rows) => {
      const all = rows.map(([pid, mib, oomScoreAdj]) => process(pid, mib, { oomScoreAdj }));
      const { candidates } = suggest(all, DOMAIN, NEEDED, SELF);
      expect(candidates.length).toBeLessThanOrEqual(3);
      for (const { pid, oom_score_adj } of candidates) {
        expect([1, ...SELF]).not.toContain(pid);
        expect(oom_score_adj).not.toBe(-1000);
      }
      const badness = candidates.map(({ badness_bytes }) => badness_bytes);
      expect(badness).toEqual([...badness].sort((a, b) => b - a));
    }),
  );
});
