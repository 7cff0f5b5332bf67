/** What `oomscope doctor` reports about real memory cgroups. */
import { writeFileSync } from 'node:fs';
import { afterEach, expect, test } from 'vitest';
import { groups } from '../../src/doctor/groups.ts';
import { createMemoryGroup, MIB, oomKill, removeMemoryGroups, startHog } from './memcg.ts';

afterEach(removeMemoryGroups);

const about = (path: string) => groups().filter(({ name, found }) => name === path || found.includes(path));

test('reports a cgroup near its limit, and no other cgroup', async () => {
  const group = createMemoryGroup({ limitBytes: 64 * MIB });
  const hog = startHog(group, ['--hold', String(30 * MIB)]);
  await hog.ready;
  expect(about(group.cgroupPath)).toEqual([]);
  const second = startHog(group, ['--hold', String(30 * MIB)]);
  await second.ready;
  expect(about(group.cgroupPath).map(({ severity }) => severity)).toEqual(['warning']);
  hog.kill();
  second.kill();
  await Promise.all([hog.ended, second.ended]);
});

test('reports a cgroup in which the kernel has killed a process', async () => {
  const { group } = await oomKill();
  const [finding] = about(group.cgroupPath);
  expect(finding?.name).toBe('OOM kills');
  expect(finding?.found).toContain(`${group.cgroupPath} (1)`);
});

test('reports a cgroup whose tasks hang at the limit because its OOM killer is disabled', async () => {
  const group = createMemoryGroup({ limitBytes: 16 * MIB });
  if (group.version !== 1) return; // v2 has no such switch
  writeFileSync(`${group.path}/memory.oom_control`, '1');
  expect(about(group.cgroupPath)).toMatchObject([{ severity: 'warning', found: 'oom_kill_disable is 1' }]);
  const hog = startHog(group, ['--hold', String(64 * MIB)]);
  await expect
    .poll(() => about(group.cgroupPath).map(({ severity }) => severity), { timeout: 10_000 })
    .toContain('critical');
  hog.kill('SIGKILL');
  await hog.ended;
});
