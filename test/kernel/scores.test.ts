/** Compares the scores of real processes with the kernel's own figures, and with its choice of victim. */
import { readFileSync } from 'node:fs';
import { afterEach, describe, expect, test } from 'vitest';
import { OomscopeError } from '../../src/model/error.ts';
import { openTaskTable } from '../../src/scores/open-task-table.ts';
import { ScoreSampler } from '../../src/scores/score-sampler.ts';
import type { ScoredProcess } from '../../src/scores/task-table.ts';
import { seeded } from '../seeded.ts';
import { createMemoryGroup, MIB, removeMemoryGroups, startHog } from './memcg.ts';
import { agrees, scoreRound } from './score-round.ts';

afterEach(removeMemoryGroups);

test('the iterator and /proc agree about processes whose memory does not change', async () => {
  const group = createMemoryGroup({ limitBytes: 128 * MIB });
  const args = ['--hold', String(16 * MIB), '--shm', String(4 * MIB), '--file', String(2 * MIB)];
  const hogs = [0, 300].map((adj, i) => startHog(group, [...args, '--adj', String(adj), '--comm', `a\\x0a) b${i}`]));
  await Promise.all(hogs.map(({ ready }) => ready));
  const pids = hogs.map(({ pid }) => pid);
  const read = (backend: 'iterator' | 'proc') => {
    using table = openTaskTable(backend);
    expect(table.backend).toBe(backend);
    return table.read().filter(({ pid }) => pids.includes(pid));
  };
  const [iterated, files] = [read('iterator'), read('proc')];
  expect(iterated.map(({ comm }) => comm).sort()).toEqual(['a\n) b0', 'a\n) b1']);
  const comparable = (entries: ScoredProcess[]) =>
    entries
      .toSorted((a, b) => a.pid - b.pid)
      .map(({ vfork: _, exact: __, cgroup: ___, cgroupId: ____, approximateBytes: _____, ...rest }) => rest);
  expect(comparable(files)).toEqual(comparable(iterated));
  expect(files.every(({ cgroup }) => cgroup === group.cgroupPath)).toBe(true);
  for (const hog of hogs) hog.kill();
});

test('badness agrees with the oom_score that the kernel shows', async () => {
  const group = createMemoryGroup({ limitBytes: 64 * MIB });
  const hogs = [0, 200, 1000].map((adj) => startHog(group, ['--hold', String(8 * MIB), '--adj', String(adj)]));
  await Promise.all(hogs.map(({ ready }) => ready));
  using scores = new ScoreSampler({ top: 1000, spared: true });
  const { scores: all, domain_bytes } = scores.sample();
  expect(all.map(({ pid }) => pid)).toEqual(expect.arrayContaining([process.pid, ...hogs.map(({ pid }) => pid)]));
  const pages = domain_bytes / 4096;
  for (const { comm, pid, oom_score, badness_pages } of all) {
    if (oom_score === null) continue; // the process has exited meanwhile
    // fs/proc/base.c: proc_oom_score(); 0 for processes that oom_badness() spares, such as init
    const ours = badness_pages === null ? 0 : Math.trunc(((1000 + Math.trunc((badness_pages * 1000) / pages)) * 2) / 3);
    expect(Math.abs(ours - oom_score), `${comm} (${pid})`).toBeLessThanOrEqual(pid === 1 ? 2000 : 2);
  }
});

test('ranks the processes of a cgroup by its limit, and no others', async () => {
  const group = createMemoryGroup({ limitBytes: 64 * MIB });
  const large = startHog(group, ['--hold', String(32 * MIB)]);
  const adjusted = startHog(group, ['--hold', String(8 * MIB), '--adj', '900']);
  await Promise.all([large.ready, adjusted.ready]);
  using scores = new ScoreSampler({ domain: group.cgroupPath });
  const sample = scores.sample();
  expect(sample.scores.map(({ pid }) => pid)).toEqual([adjusted.pid, large.pid]);
  expect(sample).toMatchObject({ domain: { path: group.cgroupPath }, domain_bytes: 64 * MIB, candidates: 2 });
  const [first] = sample.scores;
  expect(first?.badness_per_mille).toBeGreaterThan(1000);
  expect(Number(readFileSync(`/proc/${first?.pid}/oom_score`, 'utf8'))).toBe(first?.oom_score);
  large.kill();
  adjusted.kill();
});

test('shows growth and the time left until the limit', { timeout: 20_000 }, async () => {
  const group = createMemoryGroup({ limitBytes: 256 * MIB });
  const hog = startHog(group, ['--max', String(200 * MIB), '--rate', String(16 * MIB)]);
  using scores = new ScoreSampler({ domain: group.cgroupPath });
  for (let look = 0; look < 12; look++) {
    scores.sample();
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
  const growth = scores.sample().scores[0]?.growth;
  expect(growth?.bytes_per_second).toBeGreaterThan(8 * MIB);
  expect(growth?.bytes_per_second).toBeLessThan(24 * MIB);
  expect(growth?.exhausted_in_seconds).toBeGreaterThan(3);
  expect(growth?.exhausted_in_seconds).toBeLessThan(40);
  hog.kill('SIGKILL');
});

test('names the path of a cgroup that does not exist', () => {
  expect(() => new ScoreSampler({ domain: '/no/such/group' })).toThrow(OomscopeError);
  expect(() => new ScoreSampler({ domain: '/no/such/group' })).toThrow(/"\/no\/such\/group"/);
});

describe('the process ranked first', () => {
  test.each([1, 2, 3, 4, 5])('is the one that the kernel kills (seed %i)', { timeout: 30_000 }, async (seed) => {
    const round = await scoreRound(seeded(seed));
    expect(round.said).toHaveLength(4);
    expect(round).toSatisfy(agrees);
  });
});
