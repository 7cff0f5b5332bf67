/** Verdicts on the reports of the lab. Each scene caused an OOM in one known way, which the verdict must name. */
import { describe, expect, it } from 'vitest';
import { Patterns } from '../../src/explain/patterns.ts';
import type { ReportCause, ReportFactor } from '../../src/model/oom-report.ts';
import { explain, fixture, fixtures } from './corpus.ts';

const scenes: Record<string, { cause: ReportCause; factors?: ReportFactor[] }> = {
  memcg: { cause: 'cgroup_limit', factors: ['swap_forbidden'] },
  ancestor: { cause: 'ancestor_limit' },
  trigger: { cause: 'cgroup_limit' },
  group: { cause: 'cgroup_limit' },
  tmpfs: { cause: 'cgroup_limit', factors: ['shmem'] },
  order: { cause: 'cgroup_limit', factors: ['kernel_memory', 'high_order'] },
  'no-killable': { cause: 'cgroup_limit', factors: ['spared'] },
  global: { cause: 'watermark' },
  'global-order': { cause: 'watermark', factors: ['slab_unreclaimable'] },
  'global-tmpfs': { cause: 'watermark', factors: ['shmem'] },
  cpuset: { cause: 'cpuset' },
  mempolicy: { cause: 'mempolicy' },
  sysrq: { cause: 'sysrq' },
};

describe.each(Object.entries(scenes))('%s', (scene, { cause, factors = [] }) => {
  const names = fixtures.filter((name) => new RegExp(`/(?:v1|v2|host)-${scene}\\.kmsg$`).test(name));

  it.each(names)(`is ${cause} in %s`, (name) => {
    const [report] = explain(Buffer.from(fixture(name), 'latin1')).reports;
    expect(report?.verdict.cause).toBe(cause);
    expect(report?.verdict.factors.map(({ factor }) => factor)).toEqual(expect.arrayContaining(factors));
    expect(report?.verdict.advice.length).toBeGreaterThan(0);
    for (const { do: action, because } of report?.verdict.advice ?? []) expect([action, because]).not.toContain('');
  });
});

describe('the verdict', () => {
  const verdictOf = (name: string) => explain(Buffer.from(fixture(name), 'latin1')).reports[0]?.verdict;

  it('says that an allocating task other than the victim only made the request', () => {
    expect(verdictOf('6.12/v2-trigger.kmsg')?.culprit).toMatch(
      /sleeper .* held .* asker \(pid \d+\) only made the request/,
    );
  });

  it('says that processes held little memory when kernel memory filled the limit', () => {
    const verdict = verdictOf('6.12/v2-order.kmsg');
    expect(verdict?.culprit).toContain('most of the memory was not theirs');
    expect(verdict?.victim_share).toBeLessThan(0.1);
  });

  it('names the process that would have been chosen if every oom_score_adj were 0', () => {
    const report = explain(Buffer.from(fixture('6.12/v2-sysrq.kmsg'), 'latin1')).reports[0];
    expect(report?.victim).toMatchObject({ comm: 'sacrifice', oom_score_adj: 900 });
    expect(report?.verdict.alternatives[0]?.if).toBe('every oom_score_adj were 0');
  });

  it('names the highest oom_score_adj that would have spared the victim', () => {
    for (const name of fixtures) {
      for (const { verdict, victim, tasks, domain_bytes, page_bytes } of explain(Buffer.from(fixture(name), 'latin1'))
        .reports) {
        const spare = verdict.alternatives.find((one) => one.if.includes('or lower'));
        const adj = Number(/(-?\d+) or lower/.exec(spare?.if ?? '')?.[1]);
        if (!spare || domain_bytes === null) continue;
        // A second, independent implementation of oom_badness().
        const points = (task: (typeof tasks)[0], value = task.oom_score_adj) =>
          (task.rss_bytes + (task.swap_bytes ?? 0)) / page_bytes +
          Math.floor((task.page_tables_bytes ?? 0) / page_bytes) +
          value * Math.floor(domain_bytes / page_bytes / 1000);
        const own = tasks.find(({ tid }) => tid === victim?.tid) as (typeof tasks)[0];
        const rivals = tasks.filter((task) => task !== own && task.oom_score_adj > -1000 && task.pid !== 1);
        const most = Math.max(...rivals.map((task) => points(task)));
        expect(points(own, adj), name).toBeLessThan(most);
        expect(points(own, adj + 1), name).toBeGreaterThanOrEqual(most);
        expect(rivals.some((task) => task.pid === spare.pid && points(task) === most)).toBe(true);
      }
    }
  });
});

describe('patterns', () => {
  const line = (hour: number, pid: number, kib: number, comm = 'worker') =>
    `2026-11-20T${String(hour).padStart(2, '0')}:00:00+00:00 n1 kernel: Memory cgroup out of memory: Killed process ${pid} (${comm}) total-vm:${kib}kB, anon-rss:${kib}kB, file-rss:0kB, shmem-rss:0kB, UID:0 pgtables:4kB oom_score_adj:0`;
  const summarise = (lines: string[], now = Date.parse('2026-11-21T02:30:00Z')) => {
    const patterns = new Patterns();
    for (const report of explain(lines.join('\n')).reports) patterns.add(report);
    return patterns.summary(now);
  };

  it('count by name and hour, and over the last 24 hours', () => {
    const summary = summarise([line(1, 1, 100), line(3, 2, 100), line(3, 3, 100, 'other')]);
    expect(summary).toMatchObject({
      reports: 3,
      kills: 3,
      first: '2026-11-20T01:00:00.000Z',
      last: '2026-11-20T03:00:00.000Z',
      last_24h: 2,
    });
    expect(summary.by_process).toEqual([
      { name: 'worker', count: 2 },
      { name: 'other', count: 1 },
    ]);
    expect(summary.by_hour).toEqual([
      { name: '2026-11-20T01:00Z', count: 1 },
      { name: '2026-11-20T03:00Z', count: 2 },
    ]);
    expect(summary.repeats).toEqual([]);
  });

  it('suspect a leak after more than three kills of one process name, and say whether it grows', () => {
    const growing = summarise([1, 2, 3, 4].map((hour) => line(hour, hour, hour * 1000)));
    expect(growing.repeats).toEqual([
      expect.objectContaining({ comm: 'worker', count: 4, growing: true, median_interval_seconds: 3600 }),
    ]);
    expect(growing.findings[0]?.do).toMatch(/^Look for a leak/);
    expect(summarise([1, 2, 3, 4].map((hour) => line(hour, hour, 1000))).repeats[0]?.growing).toBe(false);
    expect(summarise([1, 2, 3].map((hour) => line(hour, hour, hour * 1000))).repeats).toEqual([]);
  });

  it('list at least ten kills within a minute as a storm', () => {
    const [storm, ...others] = summarise(Array.from({ length: 12 }, (_, i) => line(5, i + 1, 10))).storms;
    expect(storm).toMatchObject({ kills: 12, duration_seconds: 0 });
    expect(others).toEqual([]);
    expect(summarise(Array.from({ length: 9 }, (_, i) => line(5, i + 1, 10))).storms).toEqual([]);
  });
});
