import { describe, expect, test } from 'vitest';
import { badnessRules } from '../../src/kernel-facts/oom-badness.ts';
import { rankByBadness, ScoreSampler, type ScoresOptions } from '../../src/scores/score-sampler.ts';
import type { ScoredProcess } from '../../src/scores/task-table.ts';

const MIB = 2 ** 20;
const DOMAIN = { bytes: 1000 * MIB, pageBytes: 4096, rules: badnessRules([7, 0]) };
let lastPid = 100;
function entry(of: Partial<ScoredProcess> = {}): ScoredProcess {
  lastPid++;
  return {
    ...{ pid: lastPid, ppid: 1, uid: 0, comm: 'some', startTicks: 1000, threads: 1, oomScoreAdj: 0, totalVmBytes: 0 },
    ...{ rssBytes: MIB, anonBytes: MIB, fileBytes: 0, shmemBytes: 0, swapBytes: 0, pageTablesBytes: 0 },
    ...{ vfork: false, exact: true, approximateBytes: null, cgroupId: null, cgroup: null },
    ...of,
  };
}
const order = (...entries: ScoredProcess[]) => rankByBadness(entries, DOMAIN).map(({ entry: { comm } }) => comm);

describe('the kernel’s order', () => {
  test('is by RSS + swap + page tables + oom_score_adj / 1000 × the domain', () => {
    const held = entry({ comm: 'held', rssBytes: 10 * MIB, swapBytes: 20 * MIB, pageTablesBytes: 5 * MIB });
    const adjusted = entry({ comm: 'adjusted', oomScoreAdj: 36 });
    const lowered = entry({ comm: 'lowered', rssBytes: 400 * MIB, oomScoreAdj: -500 });
    expect(order(lowered, held, adjusted)).toEqual(['adjusted', 'held', 'lowered']);
  });

  test('puts the younger of two processes with equal badness first', () => {
    const old = entry({ comm: 'old', startTicks: 999 });
    const [first, second] = [entry({ comm: 'first', startTicks: 1001 }), entry({ comm: 'second', startTicks: 1001 })];
    expect(order(old, first, second)).toEqual(['second', 'first', 'old']);
  });

  test('puts processes that the kernel never chooses last', () => {
    const init = entry({ comm: 'init', pid: 1, rssBytes: 900 * MIB });
    const immune = entry({ comm: 'immune', oomScoreAdj: -1000, rssBytes: 900 * MIB });
    expect(order(init, immune, entry({ comm: 'vfork', vfork: true }), entry({ comm: 'small' }))[0]).toBe('small');
  });
});

describe('a sample', () => {
  const sample = (options: ScoresOptions) => {
    using scores = new ScoreSampler({ backend: 'proc', ...options });
    return scores.sample();
  };

  test('contains the first processes of the whole list, whatever the options', () => {
    const whole = sample({ top: 10_000 });
    const [first] = whole.scores;
    expect(whole.scores).toHaveLength(whole.candidates);
    expect(whole.scores.map(({ rank: at }) => at)).toEqual(whole.scores.map((_, i) => i + 1));
    expect(whole.message).toContain(`(pid ${first?.pid}, `);
    const own = sample({ top: 1, filter: ({ pid }) => pid === process.pid }).scores;
    expect(own).toMatchObject([{ pid: process.pid, rank: expect.any(Number), cgroup: expect.stringMatching(/^\//) }]);
    const bySize = sample({ top: 3, sort: 'memory' }).scores.map((score) => score.memory_per_mille);
    expect(bySize).toEqual(bySize.toSorted((a, b) => b - a));
    expect(sample({ top: 10_000, spared: true }).scores.filter(({ rank: at }) => at === null)).toContainEqual(
      expect.objectContaining({ pid: 1, spared: 'init' }),
    );
  });
});
