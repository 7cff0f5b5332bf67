/** Usage levels and growth of real memory cgroups that fill up. */
import { afterEach, describe, expect, it } from 'vitest';
import { watchUsage } from '../../src/memory/usage.ts';
import type { UsageLevel } from '../../src/model/pressure.ts';
import { schemaErrors } from '../schema.ts';
import { createMemoryGroup, MIB, removeMemoryGroups, startHog } from './memcg.ts';

describe('levels of usage', () => {
  afterEach(() => removeMemoryGroups());

  it('name the process that fills the cgroup, its growth rate, and when the cgroup will be full', async () => {
    const group = createMemoryGroup({ limitBytes: 64 * MIB });
    const events: UsageLevel[] = [];
    const watching = watchUsage({ groups: [group.cgroupPath], intervalMs: 200, sustainMs: 200 }).subscribe((event) => {
      if (event.subject.scope === 'cgroup') events.push(event);
    });
    // The hog takes 56 of 64 MiB in 3.5 s. This causes the levels low and medium, and no kill.
    const hog = startHog(group, ['--hold', String(56 * MIB), '--rate', String(16 * MIB), '--comm', 'grower']);
    try {
      await hog.ready;
      await new Promise((resolve) => setTimeout(resolve, 1000));
    } finally {
      hog.kill();
    }
    await hog.ended;
    await new Promise((resolve) => setTimeout(resolve, 1000));
    watching.unsubscribe();

    expect(events.map(({ level }) => level)).toEqual(['low', 'medium', 'normal']);
    for (const event of events) expect(schemaErrors(event)).toEqual([]);
    const [low] = events as [UsageLevel];
    expect(low.subject.path).toBe(group.cgroupPath);
    expect(low.used).toBeGreaterThanOrEqual(0.7);
    expect(low.limit_bytes).toBe(64 * MIB);
    expect(low.top[0]).toMatchObject({ pid: hog.pid, comm: 'grower', cgroup: group.cgroupPath });
    // The growth rate over the first seconds is a little too low, because some samples are from before the growth.
    expect(low.growth?.bytes_per_second).toBeGreaterThan(10 * MIB);
    expect(low.growth?.bytes_per_second).toBeLessThan(18 * MIB);
    expect(low.top[0]?.growth_bytes_per_second).toBeGreaterThan(12 * MIB);
    const [soonest, latest] = low.growth?.exhausted_in_seconds_range ?? [null, null];
    expect(soonest).toBeGreaterThan(0);
    expect(latest).toBeLessThan(5);
  });
});
