/** Real memory-cgroup kills, compared with the kernel's own log lines about them. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { OomKill } from '../../src/model/events.ts';
import { asKilledLine, asOomLine, killedFields, oomFields } from '../lab/reconcile.ts';
import { schemaErrors } from '../schema.ts';
import { KernelLog, type KilledLine, type OomLine } from './kernel-log.ts';
import {
  createMemoryGroup,
  killBeneathLimit,
  killByAnother,
  MIB,
  markDying,
  oomKill,
  oomStorm,
  removeMemoryGroups,
  startHog,
} from './memcg.ts';
import { Recorder } from './recorder.ts';

describe('oom.kill', () => {
  let recorder: Recorder;
  let log: KernelLog;

  beforeEach(async () => {
    log = new KernelLog();
    recorder = await Recorder.open();
  });
  afterEach(() => {
    recorder.tracer.close();
    log.close();
    removeMemoryGroups();
  });

  it('names victim, reason and limit, and reports how the memory came back', async () => {
    const { pid, group } = await oomKill({ args: ['--file', '4M', '--shm', '3M', '--adj', '17'] });
    const kill = await recorder.kill(pid);
    const reaped = await recorder.reaped(pid);

    expect(schemaErrors(kill)).toEqual([]);
    expect(schemaErrors(reaped)).toEqual([]);
    expect(schemaErrors(recorder.tracer.started)).toEqual([]);
    expect(kill).toMatchObject({
      kind: 'killed',
      scope: 'cgroup',
      limit_inferred: false,
      enrichment: 'live',
      missing: [],
      cgroup_version: group.version,
      victim: {
        pid,
        tid: pid,
        ppid: process.pid,
        uid: 0,
        comm: 'hog',
        process_comm: 'hog',
        oom_score_adj: 17,
        threads: 1,
      },
      trigger: {
        pid,
        tid: pid,
        comm: 'hog',
        gfp_source: 'oom_control',
        order: 0,
        start_ticks: kill.victim.start_ticks,
      },
      limit: { path: group.cgroupPath, limit_bytes: 64 * MIB },
    });
    expect(kill.victim.cmdline?.slice(1, 3)).toEqual(['--cgroup', group.path]);
    expect(kill.victim.exe).toMatch(/\/build\/hog$/);
    expect(kill.trigger.gfp).toMatch(/^GFP_/);
    expect(kill.limit?.usage_bytes).toBeGreaterThan(63 * MIB);
    expect(kill.cgroups[0]?.path).toBe(group.cgroupPath);
    expect(kill.cgroups.at(-1)?.path).toBe('/');
    expect(kill.victim.memory?.file_rss_bytes).toBeGreaterThanOrEqual(4 * MIB);
    expect(kill.victim.memory?.shmem_rss_bytes).toBeGreaterThanOrEqual(3 * MIB);
    expect(kill.victim.memory?.error_bound_bytes).toBe(0);
    expect(kill.signal_to_mark_ns).toBeGreaterThan(0);
    expect(kill.system.meminfo?.total_bytes).toBeGreaterThan(0);
    expect(kill.system.pressure?.some.total_ns).toBeGreaterThan(0);

    expect(reaped).toMatchObject({ kill_id: kill.id, outcome: 'exited', reaper_skipped: false });
    expect(reaped.mark_to_exit_ns).toBeGreaterThan(0);
    expect(reaped.mark_to_memory_back_ns).toBeGreaterThan(0);
    expect(reaped.limit_usage_after_bytes).toBeLessThan(16 * MIB);
  });

  it('agrees with every number of the kernel log in 200 kills, 4 at a time', { timeout: 180_000 }, async () => {
    const follow = setInterval(() => log.read(), 20); // reads often, because the ring buffer of the kernel log is small
    const kills = await oomStorm(200, { parallel: 4, limitBytes: 16 * MIB }).finally(() => clearInterval(follow));
    for (const { pid } of kills) await recorder.kill(pid);
    log.read();

    expect(log.lost).toBe(0);
    expect(recorder.events.filter(({ type }) => type === 'tracer.lost')).toEqual([]);
    const pids = new Set(kills.map(({ pid }) => pid));
    const ours = recorder.kills.filter(({ victim }) => pids.has(victim.pid));
    expect(ours).toHaveLength(200);
    expect(new Set(ours.map(({ victim }) => victim.pid)).size).toBe(200);
    expect(new Set(ours.map(({ kind }) => kind))).toEqual(new Set(['killed']));
    const byPid = new Map(ours.map((kill) => [kill.victim.tid, kill]));
    const killed = log.lines.filter((line) => line.type === 'killed' && pids.has(line.pid)) as KilledLine[];
    expect(killed).toHaveLength(200);
    for (const line of killed) expect(asKilledLine(byPid.get(line.pid) as OomKill, line)).toEqual(killedFields(line));
    // The kernel prints at most ten oom-kill: lines in 5 s for the whole machine. Only the printed ones are compared.
    const printed = log.lines.filter((line) => line.type === 'oom' && pids.has(line.pid)) as OomLine[];
    for (const line of printed) expect(asOomLine(byPid.get(line.pid) as OomKill, line)).toEqual(oomFields(line));
    for (const kill of ours)
      expect(kill.limit?.path).toBe(kills.find(({ pid }) => pid === kill.victim.pid)?.group.cgroupPath);
    for (const event of recorder.events) expect(schemaErrors(event)).toEqual([]);
  });

  it("agrees with the kernel's oom-kill: line", { timeout: 240_000 }, async () => {
    // The kernel prints at most ten such lines in 5 s, and other kills on this machine may use them up: retry until one appears.
    for (let tries = 0; tries < 40; tries++) {
      const { pid } = await oomKill();
      const kill = await recorder.kill(pid);
      const line = await log.oom(pid).catch(() => undefined);
      if (line) return expect(asOomLine(kill, line)).toEqual(oomFields(line));
      await sleep(2000);
    }
    throw new Error('expected the kernel to print an oom-kill: line for one of 40 kills');
  });

  it('distinguishes the trigger from the victim', async () => {
    const { victim, trigger, group } = await killByAnother({
      victimArgs: ['--comm', 'sleeper'],
      triggerArgs: ['--comm', 'asker'],
    });
    const kill = await recorder.kill(victim.pid);
    expect(kill).toMatchObject({
      kind: 'killed',
      victim: { pid: victim.pid, comm: 'sleeper', cgroup: group.cgroupPath },
      trigger: { pid: trigger.pid, comm: 'asker' },
      limit: { path: group.cgroupPath },
    });
    // The arguments are in the memory of another process than the trigger: they come from /proc, or are listed as missing.
    expect(kill.missing.includes('victim.cmdline')).toBe(kill.victim.cmdline === null);
    expect(kill.enrichment).toBe(kill.victim.cmdline === null ? 'partial' : 'live');
    const line = await log.killed(victim.pid);
    expect(asKilledLine(kill, line)).toEqual(killedFields(line));
  });

  it('reports the right process when the kernel marks a thread that is not the group leader', async () => {
    const end = await oomKill({ args: ['--threads', '4', '--leader-exits'] });
    const kill = await recorder.kill(end.pid);
    expect(kill.victim.pid).toBe(end.pid);
    expect(kill.victim.tid).not.toBe(end.pid);
    expect(kill.victim.comm).toMatch(/^hog-\d$/);
    expect(kill.victim.process_comm).toBe('hog');
    const line = await log.killed(kill.victim.tid);
    expect(line.comm).toBe(kill.victim.comm);
    expect(recorder.kills.filter(({ victim }) => victim.pid === end.pid)).toHaveLength(1);
  });

  it('names the ancestor cgroup whose limit was hit, not the cgroup of the victim', async () => {
    const { limited, group, victim } = await killBeneathLimit();
    const kill = await recorder.kill(victim.pid);
    expect(kill.victim.cgroup).toBe(group.cgroupPath);
    expect(kill.limit).toMatchObject({ path: limited.cgroupPath, limit_bytes: 64 * MIB });
    expect(kill.cgroups.slice(0, 2).map(({ path, limit_bytes }) => ({ path, limit_bytes }))).toEqual([
      { path: group.cgroupPath, limit_bytes: null },
      { path: limited.cgroupPath, limit_bytes: 64 * MIB },
    ]);
    const line = await log.oom(victim.pid).catch(() => undefined); // rate-limited
    if (line) expect(asOomLine(kill, line)).toEqual(oomFields(line));
  });

  it('reports a process that is killed only because it shares the memory of the victim', async () => {
    const end = await oomKill({ args: ['--share'] });
    const shared = await recorder.find(
      (event): event is OomKill => event.type === 'oom.kill' && event.kind === 'shared_memory',
    );
    const [first, ...more] = recorder.kills.filter(({ kind }) => kind === 'killed');
    expect(more).toEqual([]);
    expect(new Set([first?.victim.comm, shared.victim.comm])).toEqual(new Set(['hog', 'hog-share']));
    expect([first?.victim.pid, shared.victim.pid]).toContain(end.pid);
    expect(shared.victim.pid).not.toBe(first?.victim.pid);
    expect(shared.limit?.path).toBe(end.group.cgroupPath);
    expect(schemaErrors(shared)).toEqual([]);
    await log.killed(first?.victim.pid ?? 0);
    expect(log.lines.some((line) => 'pid' in line && line.type !== 'task' && line.pid === shared.victim.pid)).toBe(
      false,
    ); // the kernel does not log this kill
  });

  it('does not report it as a kill when the kernel marks a process that is already exiting', async () => {
    const { group, hog } = await markDying();
    const dying = await recorder.find(
      (event): event is OomKill => event.type === 'oom.kill' && event.kind === 'already_dying',
    );
    expect(dying.victim.comm).toBe('hog-dying');
    expect(dying.victim.pid).not.toBe(hog.pid);
    expect(dying.signal_to_mark_ns).toBeNull();
    expect(dying.severity).toBe('warning');
    expect(group.events().oom_kill).toBe(0);
    expect(recorder.kills.filter(({ kind }) => kind !== 'already_dying')).toEqual([]);
    expect(schemaErrors(dying)).toEqual([]);
  });

  it('reports process names that contain any byte', async () => {
    const names = [
      '\\x0anew\\x0aline',
      '\\x22quo\\x27te\\x5c',
      '\\x1b[31mred\\x07',
      'a) S 1 (b',
      '\\xf0\\x9f\\x92\\xa5boom',
      '\\xff\\xfe\\xc3(',
    ];
    const kills = [];
    for (const name of names) kills.push(await oomKill({ limitBytes: 16 * MIB, args: ['--comm', name] }));
    for (const [i, { pid }] of kills.entries()) {
      const kill = await recorder.kill(pid);
      const bytes = Buffer.from(
        (names[i] as string).replace(/\\x(..)/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16))),
        'latin1',
      );
      expect(
        kill.victim.raw?.comm ? Buffer.from(kill.victim.raw.comm, 'hex') : Buffer.from(kill.victim.comm ?? ''),
      ).toEqual(bytes);
      expect(kill.message).not.toMatch(/\p{Cc}/u);
      expect(JSON.stringify(kill)).not.toContain('\n');
      expect(schemaErrors(kill)).toEqual([]);
    }
  });

  it('delivers the same kill to two tracers', async () => {
    using second = await Recorder.open();
    const { pid } = await oomKill();
    const [a, b] = await Promise.all([recorder.kill(pid), second.kill(pid)]);
    expect(a.victim).toEqual(b.victim);
    expect(a.id).not.toBe(b.id);
  });

  it('reports a victim that has not exited when the tracer closes', async () => {
    const group = createMemoryGroup({ limitBytes: 32 * MIB });
    const hog = startHog(group);
    const kill = await recorder.find(
      (event): event is OomKill => event.type === 'oom.kill' && event.victim.pid === hog.pid,
    );
    recorder.tracer.close();
    const ends = recorder.events.filter((event) => event.type === 'oom.reaped' && event.kill_id === kill.id);
    expect(ends).toHaveLength(1);
    // Another process of the machine may have been killed meanwhile.
    const killed = recorder.events.filter((event) => event.type === 'oom.kill' && event.kind === 'killed').length;
    expect(recorder.events.at(-1)).toMatchObject({ type: 'tracer.stopped', kills: { killed }, lost_total: 0 });
    await hog.ended;
  });
});
