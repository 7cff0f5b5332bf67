/**
 * The guard and real hogs in a cgroup near its limit: it ends the right process, and no other, before the kernel kills
 * one.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import type { GuardAction, GuardResult } from '../../src/model/guard.ts';
import { cleanUp, configFile, start, startGuard } from './guard-process.ts';
import { createMemoryGroup, type MemoryGroup, MIB, oomKillsUnavailable, startHog } from './memcg.ts';

const LIMIT = 256 * MIB;

afterEach(cleanUp);

const on = (group: MemoryGroup) => ['--cgroup', group.cgroupPath, '--when', 'available < 64M'];

const told = (actions: GuardAction[]) => actions.map(({ action, outcome }) => `${action} ${outcome}`);

describe.skipIf(oomKillsUnavailable())('guard', () => {
  it('ends the hog before the kernel kills a process, and spares a larger protected process', async () => {
    const group = createMemoryGroup({ limitBytes: LIMIT });
    const innocent = startHog(group, ['--hold', String(100 * MIB), '--comm', 'database']);
    await innocent.ready;
    const guard = await startGuard(['--enforce', ...on(group), '--never', '^database$']);
    const hog = startHog(group, ['--max', String(LIMIT), '--rate', String(100 * MIB), '--comm', 'leaker']);
    const result = await guard.result();
    const end = await hog.ended;

    expect(result).toMatchObject({
      outcome: 'killed',
      kernel_killed_too: false,
      target: { pid: hog.pid, comm: 'leaker' },
    });
    expect(end.signal).toBe('SIGTERM');
    expect(group.events().oom_kill).toBe(0);
    expect(group.procs()).toEqual([innocent.pid]);
    const plan = await guard.plan();
    expect(plan.candidates.map(({ target }) => target.pid)).toEqual([hog.pid]);
    expect(plan.rejected).toContainEqual(
      expect.objectContaining({ pid: innocent.pid, reason: 'never', detail: 'comm ^database$' }),
    );
    expect(plan.because[0]).toMatchObject({ detector: 'available < 64M', limit: 64 * MIB });
    expect(plan.because[0]?.value).toBeLessThan(64 * MIB);
    expect(result.freed_bytes).toBeGreaterThan(32 * MIB);
    expect(result.signal_to_exit_ns).toBeGreaterThan(0);
    innocent.kill('SIGKILL');
    await innocent.ended;
    await guard.stop();
  });

  it('kills the same process again when it ignores SIGTERM', async () => {
    const group = createMemoryGroup({ limitBytes: LIMIT });
    const file = configFile(
      `[guard]
mode = "enforce"
[[guard.rule]]
name = "a group near its limit"
on = "${group.cgroupPath}"
when = ["available < 64M"]
steps = [{ do = "notify" }, { do = "term", wait = "500ms" }, { do = "kill" }]
`,
    );
    const guard = await startGuard(['--config', file]);
    const hog = startHog(group, ['--hold', String(220 * MIB), '--ignore-term', '--comm', 'deaf']);
    const result = await guard.result();
    expect((await hog.ended).signal).toBe('SIGKILL');
    expect(result).toMatchObject({ outcome: 'killed', target: { pid: hog.pid } });
    expect(told(guard.actions())).toEqual(['notify done', 'term done', 'kill done']);
    const [, term, kill] = guard.actions();
    expect((kill?.since_trigger_ns ?? 0) - (term?.since_trigger_ns ?? 0)).toBeGreaterThan(450e6); // timers and events use different clocks
    expect(group.events().oom_kill).toBe(0);
    await guard.stop();
  });

  it('kills the armed process from within the kernel when memory runs out before the rule fires', async () => {
    const group = createMemoryGroup({ limitBytes: LIMIT });
    const innocent = startHog(group, ['--hold', String(40 * MIB), '--comm', 'database']);
    await innocent.ready;
    const never = ['--cgroup', group.cgroupPath, '--when', 'available < 64M for 1h'];
    const guard = await startGuard(['--enforce', ...never]);
    const hog = startHog(group, ['--max', String(LIMIT), '--rate', String(100 * MIB), '--comm', 'leaker']);
    const result = await guard.result();
    expect((await hog.ended).signal).toBe('SIGKILL');
    // On a busy machine the kernel may kill first. Then it chose the same process, because the guard raised its
    // oom_score_adj.
    expect(result).toMatchObject({ target: { pid: hog.pid } });
    const [action] = guard.actions();
    if (group.events().oom_kill === 0) {
      expect(result.outcome).toBe('killed');
      expect(action?.detail).toMatch(/^armed: signalled by (bpf|addon)$/);
    }
    expect(group.procs()).toEqual([innocent.pid]);
    innocent.kill('SIGKILL');
    await innocent.ended;
    await guard.stop();
  });

  it('signals nothing in a dry run, and says so once', async () => {
    const group = createMemoryGroup({ limitBytes: LIMIT });
    const guard = await startGuard(on(group));
    const hog = startHog(group, ['--hold', String(220 * MIB)]);
    await hog.ready;
    const result = await guard.result();
    expect(result).toMatchObject({ outcome: 'would_kill', mode: 'dry_run', target: { pid: hog.pid } });
    expect(told(guard.actions())).toEqual(['term would', 'kill would']);
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(guard.events.filter(({ type }) => type === 'guard.plan')).toHaveLength(1);
    expect(group.procs()).toEqual([hog.pid]);
    hog.kill('SIGKILL');
    expect((await hog.ended).signal).toBe('SIGKILL');
    await guard.stop();
  });

  it('chooses in a dry run the process that the kernel then kills', async () => {
    const group = createMemoryGroup({ limitBytes: LIMIT });
    const guard = await startGuard(['--shadow', ...on(group)]);
    // Slow enough for a guard on a busy machine to sample it before the kernel kills it.
    const hog = startHog(group, ['--max', String(LIMIT), '--rate', String(60 * MIB)]);
    const result = await guard.seen(
      (event): event is GuardResult => event.type === 'guard.result' && event.kernel_victim !== null,
    );
    expect((await hog.ended).signal).toBe('SIGKILL');
    expect(group.events().oom_kill).toBe(1);
    expect(result).toMatchObject({ outcome: 'same_victim', mode: 'shadow', kernel_victim: { pid: hog.pid } });
    expect(result.lead_ns).toBeGreaterThan(0);
    expect(await guard.result()).toMatchObject({ outcome: 'would_kill', plan_id: result.plan_id });
    await guard.stop();
  });

  it('run: opens tracer, pressure and guard from one file, with pressure windows as metrics of rules', async () => {
    const group = createMemoryGroup({ limitBytes: LIMIT });
    const file = configFile(`[trace]
kills = "sent"
[pressure]
windows = ["100ms", "1s"]
[output]
events = ["tracer.*", "guard.*", "process.killed"]
[guard]
mode = "enforce"
[[guard.rule]]
name = "stalled at its limit"
on = "${group.cgroupPath}"
when = ["available < 64M", "pressure.some.100ms >= 0 %", "rounds_left <= 16"]
steps = [{ do = "kill" }]
`);
    const run = await start(['run', '--config', file], 'Running with');
    const hog = startHog(group, ['--hold', String(220 * MIB)]);
    const result = await run.result();
    expect((await hog.ended).signal).toBe('SIGKILL');
    expect(result).toMatchObject({ outcome: 'killed', target: { pid: hog.pid } });
    const { because, plan_id } = await run.plan();
    // The death of the victim belongs to the plan of the guard.
    const death = () => run.events.find((event) => event.type === 'process.killed' && event.victim.pid === hog.pid);
    for (let i = 0; i < 100 && !death(); i++) await sleep(20);
    expect(death()).toMatchObject({
      victim: { pid: hog.pid },
      by: { kind: 'guard', name: 'oomscope', reason: { words: 'its rule "stalled at its limit" fired' } },
      kill_id: plan_id,
    });
    expect(because.map(({ value }) => typeof value)).toEqual(['number', 'number', 'number']);
    expect(run.events.filter(({ type }) => type === 'tracer.started')).toHaveLength(1);
    await run.stop();
  });
});
