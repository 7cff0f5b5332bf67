/**
 * Reports of kernels that the lab cannot boot, written by hand from their format strings: see the README beside them.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { schemaErrors } from '../schema.ts';
import { CORPUS, explain } from './corpus.ts';
import { unfounded } from './unfounded.ts';

const MIB = 2 ** 20;

function only(name: string) {
  const text = readFileSync(join(CORPUS, 'written', `${name}.dmesg`), 'utf8');
  const { reports, warnings } = explain(text);
  expect(warnings).toEqual([]);
  expect(reports).toHaveLength(1);
  const [report] = reports as [(typeof reports)[0]];
  expect(report.warnings).toEqual([]);
  expect(schemaErrors(report)).toEqual([]);
  expect(unfounded(report, text)).toEqual([]);
  return report;
}

describe('reports of old kernels', () => {
  it('2.6.32: reads "kill process … score … or a child", oom_adj and watermarks', () => {
    const report = only('2.6.32-global');
    expect(report).toMatchObject({ kernel: '2.6.32-5-amd64', scope: 'system', badness_pages: null });
    expect(report.trigger).toMatchObject({
      tid: 2101,
      comm: 'httpd',
      gfp: 'GFP_HIGHUSER_MOVABLE|__GFP_COLD',
      mems_allowed: '0',
    });
    expect(report.victim).toMatchObject({
      pid: 2117,
      comm: 'mysqld',
      score: 160220,
      reason: 'Out of memory',
      uid: 106,
    });
    expect(report.tasks.map(({ oom_score_adj }) => oom_score_adj)).toEqual([-1000, -1000, 0, 0]);
    expect(report.tasks.map(({ cpu }) => cpu)).toEqual([0, 0, 0, 0]);
    expect(
      report.memory?.zones.map(({ name, free_bytes, managed_bytes }) => [name, free_bytes, managed_bytes]),
    ).toEqual([
      ['DMA', 2000 * 1024, null],
      ['DMA32', 2736 * 1024, null],
    ]);
    expect(report.verdict).toMatchObject({ cause: 'watermark', runtime: 'MySQL', choice_agrees: null });
    expect(report.verdict.factors.map(({ factor }) => factor)).toContain('swap_full');
  });

  it('2.6.32 of Enterprise Linux 6: reads "Killed process N, UID U, (name)"', () => {
    const report = only('2.6.32-el6-memcg');
    expect(report).toMatchObject({ scope: 'cgroup', cgroup_version: 1, node: 'app7', time_source: 'log_local' });
    expect(report.limit).toMatchObject({
      path: '/batch',
      limit_bytes: 512 * MIB,
      memory_and_swap_limit_bytes: null,
      fail_count: 7112,
    });
    expect(report.victim).toMatchObject({ tid: 8123, uid: 500, comm: 'java', score: 991, cgroup: '/batch/job1' });
    expect(report.verdict).toMatchObject({ cause: 'ancestor_limit', runtime: 'JVM' });
  });

  it('3.10: reads page tables in pages, the statistics of a cgroup in one line, and the pod of the victim', () => {
    const report = only('3.10-memcg');
    expect(report.kernel).toBe('3.10.0-1160.el7.x86_64');
    expect(report.limit?.stats).toHaveLength(2);
    expect(report.victim).toMatchObject({
      uid: 101,
      score: 1981,
      pod: { uid: '11111111-2222-3333-4444-555555555555' },
    });
    expect(report.tasks[1]).toMatchObject({ page_tables_bytes: 150 * 4096, rss_bytes: 64100 * 4096, swap_bytes: 0 });
    expect(report.badness_pages).toBe(64100 + 150 + 999 * Math.floor(65536 / 1000));
    expect(report.verdict).toMatchObject({ cause: 'ancestor_limit', choice_agrees: true });
  });

  it('4.4: reads fragmented memory (order 2), two levels of page tables, and a name with a blank', () => {
    const report = only('4.4-fragmentation');
    expect(report.trigger).toMatchObject({ gfp: 'GFP_KERNEL|__GFP_NOTRACK', order: 2 });
    expect(report.victim).toMatchObject({ comm: 'Web Content', memory: { shmem_rss_bytes: null } });
    expect(report.tasks[2]).toMatchObject({ comm: 'Web Content', page_tables_bytes: 606 * 4096, oom_score_adj: 300 });
    expect(report.verdict.cause).toBe('fragmentation');
    expect(report.verdict.culprit).toContain('firefox');
    expect(report.verdict.alternatives).toContainEqual({
      if: 'every oom_score_adj were 0',
      pid: 2210,
      comm: 'firefox',
    });
  });

  it('4.9: reads a nodemask in the head, and the line of oom_reaper', () => {
    const report = only('4.9-reaper');
    expect(report).toMatchObject({ nodemask: '0', parts: ['head', 'stack', 'tasks', 'kill', 'reaper'] });
    expect(report.victim?.reaped).toEqual({ anon_rss_bytes: 0, file_rss_bytes: 0, shmem_rss_bytes: 0 });
  });

  it('5.0: reads a summary together with "Kill process … or sacrifice child"', () => {
    const report = only('5.0-memcg');
    expect(report).toMatchObject({ scope: 'cgroup', badness_pages: 26010 + 71 });
    expect(report.victim).toMatchObject({ score: 1003, cgroup: '/test', uid: 1000 });
    expect(report.verdict).toMatchObject({ cause: 'cgroup_limit', runtime: 'Python', choice_agrees: true });
  });
});
