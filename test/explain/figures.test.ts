/** What a report says about fragmentation, about sums by name and owner, and about one process against another. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { compare } from '../../src/explain/verdict/comparison.ts';
import type { OomReport } from '../../src/model/oom-report.ts';
import { CORPUS, explain, fixture, fixtures } from './corpus.ts';

const KIB = 1024;
const first = (log: string | Buffer): OomReport => explain(log).reports[0] as OomReport;
const inCorpus = (name: string) => first(Buffer.from(fixture(name), 'latin1'));

/** A report about the machine. @param blocks the free blocks of zone Normal, by order */
function shortage(order: number, blocks: string, free = 4000, gfp = 'GFP_KERNEL'): OomReport {
  return first(
    [
      `[ 1.0] app invoked oom-killer: gfp_mask=0xcc0(${gfp}), order=${order}, oom_score_adj=0`,
      '[ 1.0] Mem-Info:',
      '[ 1.0] active_anon:1000 inactive_anon:0 isolated_anon:0',
      `[ 1.0] Node 0 Normal free:${free}kB min:1000kB low:1200kB high:1400kB active_anon:4000kB present:8000kB managed:8000kB`,
      '[ 1.0] lowmem_reserve[]: 0 0',
      `[ 1.0] Node 0 Normal: ${blocks} = ${free}kB`,
      '[ 1.0] 2000 pages RAM',
      '[ 1.0] oom-kill:constraint=CONSTRAINT_NONE,nodemask=(null),cpuset=/,mems_allowed=0,global_oom,task_memcg=/,task=app,pid=7,uid=0',
      '[ 1.0] Out of memory: Killed process 7 (app) total-vm:8kB, anon-rss:4kB, file-rss:0kB, shmem-rss:0kB, UID:0 pgtables:4kB oom_score_adj:0',
    ].join('\n'),
  );
}

describe('fragmentation', () => {
  it('is the cause when memory is free but no block is large enough', () => {
    const { verdict } = shortage(2, '800*4kB (UM) 100*8kB (U) 0*16kB 0*32kB');
    expect(verdict.cause).toBe('fragmentation');
    expect(verdict.fragmentation).toMatchObject({
      state: 'cause',
      zones: [{ node: 0, name: 'Normal', usable: true, largest_order: 1, large_enough: 0, too_small_share: 1 }],
    });
    expect(verdict.fragmentation.text).toContain('for a block of order 2 (16 KiB); the largest free block');
  });

  it('contributed when memory was short as well', () => {
    const { verdict } = shortage(2, '100*4kB (UM) 50*8kB (U) 0*16kB 0*32kB', 800);
    expect(verdict.cause).toBe('watermark');
    expect(verdict.fragmentation.state).toBe('contributed');
  });

  it('does not count blocks that the request may not use', () => {
    const blocks = '100*4kB (UM) 50*8kB (U) 0*16kB 10*32kB (H)';
    expect(shortage(2, blocks, 1120).verdict.fragmentation).toMatchObject({
      state: 'contributed',
      zones: [{ largest_order: 3, large_enough: 0 }],
    });
    const cma = '100*4kB (UM) 50*8kB (U) 0*16kB 10*32kB (C)';
    expect(shortage(2, cma, 1120).verdict.fragmentation.zones[0]?.large_enough).toBe(0);
    expect(shortage(2, cma, 1120, 'GFP_HIGHUSER_MOVABLE').verdict.fragmentation.zones[0]?.large_enough).toBe(10);
  });

  it('was no obstacle when a block was large enough, or when the request was for one page', () => {
    expect(shortage(2, '100*4kB (UM) 50*8kB (U) 1*16kB (M) 0*32kB', 816).verdict.fragmentation.state).toBe('no_part');
    const { fragmentation } = shortage(0, '100*4kB (UM) 50*8kB (U) 0*16kB 0*32kB', 800).verdict;
    expect(fragmentation.state).toBe('no_part');
    expect(fragmentation.text).toMatch(/for a single page; the largest free block .* was of order 1 \(8 KiB\)/);
  });

  it('does not name the large blocks of a zone that the request must leave alone', () => {
    const { verdict, trigger } = first(readFileSync(join(CORPUS, 'written/4.4-fragmentation.dmesg')));
    expect([verdict.cause, trigger?.order]).toEqual(['fragmentation', 2]);
    // Zone DMA has blocks of order 10, but its lowmem reserve is larger than its free memory.
    expect(verdict.fragmentation.zones.find(({ name }) => name === 'DMA')).toMatchObject({ largest_order: 10 });
    expect(verdict.fragmentation.text).toMatch(/in the zones with enough free memory was of order 1 \(8 KiB\)/);
  });

  it('is judged in every report of the lab, and agrees with the cause', () => {
    for (const name of fixtures) {
      for (const { verdict, memory } of explain(Buffer.from(fixture(name), 'latin1')).reports) {
        const { state, text, zones } = verdict.fragmentation;
        expect(text).not.toBe('');
        expect(state === 'cause').toBe(verdict.cause === 'fragmentation');
        expect(zones.length).toBe(memory?.zones.filter(({ free_blocks }) => free_blocks !== null).length ?? 0);
        if (memory === null) expect(state).not.toBe('contributed');
      }
    }
  });
});

describe('sums', () => {
  it('by name and user add up to the processes of the table, and shares are of the RAM', () => {
    for (const name of fixtures) {
      for (const { tasks, verdict, memory } of explain(Buffer.from(fixture(name), 'latin1')).reports) {
        const { by_name, by_user, whole, whole_bytes } = verdict.sums;
        const held = tasks.reduce((sum, { rss_bytes, swap_bytes }) => sum + rss_bytes + (swap_bytes ?? 0), 0);
        for (const sums of [by_name, by_user]) {
          expect(sums.reduce((sum, { bytes }) => sum + bytes, 0)).toBe(held);
          for (const { bytes, share } of sums) {
            if (share !== null) expect(share).toBeCloseTo(bytes / Number(whole_bytes));
          }
        }
        if (memory)
          expect([whole, whole_bytes]).toEqual(['ram', Number(memory.ram_bytes) - Number(memory.reserved_bytes)]);
      }
    }
  });

  it('by cgroup, unit, pod and container have the usage of the limit, and the victims below it', () => {
    const pod = 'pod0330b2c1_a15b_4cdd_b5e5_72d4a90bee82';
    const path = `/kubepods.slice/kubepods-${pod}.slice`;
    const own = `${path}/cri-containerd-${'c'.repeat(64)}.scope`;
    const { verdict } = first(
      [
        '[ 1.0] app invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=0',
        '[ 1.0] memory: usage 5000kB, limit 5000kB, failcnt 8',
        '[ 1.0] swap: usage 0kB, limit 0kB, failcnt 0',
        '[ 1.0] [  pid  ]   uid  tgid total_vm      rss pgtables_bytes swapents oom_score_adj name',
        '[ 1.0] [      7]     0     7     2000     1000    40960        0             0 app',
        '[ 1.0] [      8]    33     8     2000      100    40960        0             0 app',
        `[ 1.0] oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,mems_allowed=0,oom_memcg=${path},task_memcg=${own},task=app,pid=7,uid=0`,
        '[ 1.0] Memory cgroup out of memory: Killed process 7 (app) total-vm:8000kB, anon-rss:4000kB, file-rss:0kB, shmem-rss:0kB, UID:0 pgtables:40kB oom_score_adj:0',
      ].join('\n'),
    );
    const usage = { processes: 2, bytes: 5000 * KIB, measured: 'usage', share: 1 };
    const victim = { processes: 1, bytes: 4000 * KIB, measured: 'processes', share: 0.8 };
    expect(verdict.sums).toMatchObject({
      whole: 'limit',
      by_name: [{ name: 'app', processes: 2, bytes: 4400 * KIB }],
      by_user: [
        { name: '0', processes: 1 },
        { name: '33', processes: 1 },
      ],
      by_cgroup: [
        { name: path, ...usage },
        { name: own, ...victim },
      ],
      by_pod: [{ name: '0330b2c1-a15b-4cdd-b5e5-72d4a90bee82', ...usage }],
      by_container: [{ name: 'c'.repeat(64), ...victim }],
      unplaced: { processes: 0, bytes: 0 },
    });
  });

  it('have the container of the allocating task, when its cpuset names it', () => {
    const id = 'd'.repeat(64);
    const { verdict } = first(
      [
        '[ 1.0] app invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=0',
        '[ 1.0] CPU: 0 PID: 8 Comm: app Not tainted 6.1.0 #1',
        '[ 1.0] [  pid  ]   uid  tgid total_vm      rss pgtables_bytes swapents oom_score_adj name',
        '[ 1.0] [      7]     0     7     2000     1000    40960        0             0 big',
        '[ 1.0] [      8]    33     8     2000      100    40960        0             0 app',
        `[ 1.0] oom-kill:constraint=CONSTRAINT_NONE,nodemask=(null),cpuset=cri-containerd-${id}.scope,mems_allowed=0,global_oom,task_memcg=/system.slice/big.service,task=big,pid=7,uid=0`,
        '[ 1.0] Out of memory: Killed process 7 (big) total-vm:8000kB, anon-rss:4000kB, file-rss:0kB, shmem-rss:0kB, UID:0 pgtables:40kB oom_score_adj:0',
      ].join('\n'),
    );
    expect(verdict.sums).toMatchObject({
      by_container: [{ name: id, processes: 1, bytes: 400 * KIB }],
      by_cgroup: [{ name: '/system.slice/big.service', processes: 1 }],
      unplaced: { processes: 0, bytes: 0 },
    });
  });

  it('leave processes without a known cgroup unplaced', () => {
    const { tasks, verdict } = inCorpus('6.12/v2-global.kmsg');
    expect(verdict.sums.unplaced.processes).toBe(tasks.length - 1);
    expect(verdict.sums.by_cgroup).toEqual([expect.objectContaining({ name: '/', processes: 1 })]);
  });
});

describe('the comparison of two processes', () => {
  it('agrees with the badness of the table in every report of the lab', () => {
    let compared = 0;
    for (const name of fixtures) {
      for (const report of explain(Buffer.from(fixture(name), 'latin1')).reports) {
        for (const { pid, badness_pages } of report.tasks.slice(0, 20)) {
          const { other, victim, difference_points, result } = compare(report, pid);
          if (!other || badness_pages === null) continue;
          compared++;
          expect(other.points).toBe(badness_pages);
          if (difference_points === null || ['is_victim', 'not_compared'].includes(result)) continue;
          expect(Math.sign(difference_points)).toBe(
            { victim_had_more: 1, equal: 0, other_had_more: -1 }[String(result)],
          );
          expect(Number(victim?.points) - badness_pages).toBe(difference_points);
        }
      }
    }
    expect(compared).toBeGreaterThan(500);
  });

  it('has the part that old kernels take off for root, and the minimum of 1', () => {
    const log = (kernel: string) =>
      first(
        [
          '[ 1.0] app invoked oom-killer: gfp_mask=0xd0, order=0, oom_score_adj=0',
          `[ 1.0] CPU: 0 PID: 7 Comm: app Not tainted ${kernel} #1`,
          '[ 1.0] memory: usage 4000kB, limit 4000kB, failcnt 8',
          '[ 1.0] memory+swap: usage 4000kB, limit 4000kB, failcnt 8',
          '[ 1.0] [ pid ]   uid  tgid total_vm      rss nr_ptes swapents oom_score_adj name',
          '[ 1.0] [    7]     5     7     2000      900       0        0             0 app',
          '[ 1.0] [    8]     0     8     2000      200       0        0             0 root',
          '[ 1.0] [    9]     5     9     2000        0       0        0          -500 tiny',
          '[ 1.0] Memory cgroup out of memory: Kill process 7 (app) score 900 or sacrifice child',
          '[ 1.0] Killed process 7 (app) total-vm:8000kB, anon-rss:3600kB, file-rss:0kB',
        ].join('\n'),
      );
    expect(compare(log('4.4.0'), 8).other).toMatchObject({ rss_pages: 200, root_pages: -6, points: 194 });
    expect(compare(log('3.10.0'), 8).other).toMatchObject({ adj_step_pages: 1, root_pages: -30, points: 170 });
    expect(compare(log('5.15.0'), 8).other).toMatchObject({ root_pages: 0, points: 200 });
    expect(compare(log('4.4.0'), 9).other).toMatchObject({ adj_pages: -500, raised_pages: 501, points: 1 });
    expect(compare(log('5.15.0'), 9).other).toMatchObject({ adj_pages: -500, raised_pages: 0, points: -500 });
  });
});
