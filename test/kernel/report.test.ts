/** Compares the kernel's reports, which the tracer reads as they are printed, with the kernel log. */
import { execFileSync } from 'node:child_process';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { OomKill } from '../../src/model/events.ts';
import type { OomReport } from '../../src/model/oom-report.ts';
import { killByAnother, oomKill, oomStorm, removeMemoryGroups } from './memcg.ts';
import { Recorder } from './recorder.ts';

let recorder: Recorder;
beforeEach(async () => {
  recorder = await Recorder.open({ report: true });
});
afterEach(() => {
  recorder[Symbol.dispose]();
  removeMemoryGroups();
});

const reportOf = (kill: OomKill) =>
  recorder.find((event): event is OomReport => event.type === 'oom.report' && event.kill_id === kill.id);

describe('oom.report', () => {
  test('has the same lines as the log and the same facts as the kill', async () => {
    const { pid, group } = await oomKill({ args: ['--comm', 'a) b\\x0a"c'] });
    const kill = await recorder.kill(pid);
    const report = await reportOf(kill);
    const log = new Set(execFileSync('dmesg', ['--notime'], { encoding: 'utf8' }).split('\n'));
    const lines = report.lines ?? [];
    expect(lines.length).toBeGreaterThan(40);
    expect(lines.filter((line) => !log.has(line) && !line.includes('a) b'))).toEqual([]);
    expect(report.lines?.at(0)).toContain('invoked oom-killer: gfp_mask=');
    expect(report.lines?.at(-1)).toContain(`Killed process ${pid} (`);
    expect(report).toMatchObject({
      scope: 'cgroup',
      outcome: 'killed',
      time_source: 'live',
      victim: { pid, uid: kill.victim.uid, oom_score_adj: kill.victim.oom_score_adj, cgroup: group.cgroupPath },
      trigger: { gfp: kill.trigger.gfp, order: kill.trigger.order },
      limit: { path: group.cgroupPath, limit_bytes: kill.limit?.limit_bytes },
      warnings: [],
    });
    expect(report.verdict.cause).toBe('cgroup_limit');
  });

  test('belongs to the trigger when the trigger is not the victim', async () => {
    const { victim, trigger } = await killByAnother();
    const kill = await recorder.kill(victim.pid);
    const report = await reportOf(kill);
    expect(report.victim?.pid).toBe(victim.pid);
    expect(report.lines?.at(1)).toContain(`PID: ${trigger.pid} `);
    expect(report.trigger?.pid).toBe(trigger.pid);
  });

  test('never mixes the reports of simultaneous kills, and assigns a report without a head to its kill', async () => {
    const kills = await oomStorm(24, { parallel: 4 });
    for (const { pid } of kills) {
      const kill = await recorder.kill(pid);
      const report = await reportOf(kill);
      expect(report.victim?.pid).toBe(pid);
      // The kernel prints at most ten report heads in 5 s, and for other kills only the "Killed process" line.
      const [first, last] = [report.lines?.at(0), report.lines?.at(-1)];
      expect(last).toContain(`Killed process ${pid} (`);
      if (first !== last) expect(report.tasks.map((task) => task.pid)).toContain(pid);
      const others = kills.filter((other) => other.pid !== pid);
      expect(
        others.filter((other) => report.lines?.some((line) => line.includes(`Killed process ${other.pid} (`))),
      ).toEqual([]);
    }
    expect(recorder.events.filter(({ type }) => type === 'tracer.lost')).toEqual([]);
  });
});
