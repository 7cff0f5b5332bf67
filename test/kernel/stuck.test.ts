/** A cgroup that is out of memory and in which the kernel may not kill. The other causes: test/lab/stuck.test.ts. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { diagnose } from '../../src/doctor/diagnose.ts';
import { memoryHierarchy } from '../../src/linux/memory-hierarchy.ts';
import type { Event, OomStuck } from '../../src/model/events.ts';
import { schemaErrors } from '../schema.ts';
import { createMemoryGroup, MIB, removeMemoryGroups, startHog } from './memcg.ts';
import { Recorder } from './recorder.ts';

const isStuck =
  (state: OomStuck['state']) =>
  (event: Event): event is OomStuck =>
    event.type === 'oom.stuck' && event.state === state;

describe.skipIf(memoryHierarchy()?.version !== 1)('oom.stuck', () => {
  let recorder: Recorder;
  beforeEach(async () => {
    recorder = await Recorder.open();
  });
  afterEach(() => {
    recorder.tracer.close();
    removeMemoryGroups();
  });

  it('reports a cgroup whose tasks hang because of oom_kill_disable, and its end', async () => {
    const group = createMemoryGroup({ limitBytes: 32 * MIB });
    const control = join(group.path, 'memory.oom_control');
    writeFileSync(control, '1');
    const hog = startHog(group);
    const stuck = await recorder.find(isStuck('stuck'));
    expect(schemaErrors(stuck)).toEqual([]);
    expect(stuck).toMatchObject({
      severity: 'critical',
      cause: 'oom_kill_disabled',
      cgroup: { path: group.cgroupPath, limit_bytes: 32 * MIB },
      trigger: { pid: hog.pid, comm: 'hog' },
      process_count: 1,
      processes: [{ pid: hog.pid, comm: 'hog', dying: false }],
    });
    expect(stuck.message).toContain('the kernel may not kill in it');
    const findings = diagnose().findings.filter(({ name }) => name === group.cgroupPath);
    expect(findings).toContainEqual(
      expect.objectContaining({ severity: 'critical', found: 'its tasks hang, waiting for memory' }),
    );

    writeFileSync(control, '0'); // the waiting task tries again, and the kernel kills it
    expect((await hog.ended).signal).toBe('SIGKILL');
    await recorder.kill(hog.pid);
    const over = await recorder.find(isStuck('over'));
    expect(over).toMatchObject({ severity: 'info', cause: 'oom_kill_disabled', processes: [] });
    expect(recorder.events.filter(({ type }) => type === 'oom.stuck')).toHaveLength(2);
    expect(schemaErrors(over)).toEqual([]);
  });

  it('reports nothing stuck when the kernel kills', async () => {
    const group = createMemoryGroup({ limitBytes: 32 * MIB });
    for (let i = 0; i < 8; i++) await startHog(group).ended;
    await new Promise((resolve) => setTimeout(resolve, 1500)); // longer than the time after which a cgroup counts as stuck
    expect(recorder.kills.length).toBeGreaterThanOrEqual(8);
    expect(recorder.events.filter(({ type }) => type === 'oom.stuck')).toEqual([]);
  });
});
