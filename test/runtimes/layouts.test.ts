/** Containers on cgroup v2 in a guest, where no runtime runs: oomscope recognises them by their cgroup paths alone. */
import { beforeAll, describe, expect, test } from 'vitest';
import { bootGuest, lastLines } from '../../scripts/lab/guest.ts';
import type { CgroupNode } from '../../src/model/cgroup-tree.ts';
import type { ContainerReport } from '../../src/model/container-report.ts';
import { layouts } from './layouts.ts';

const MIB = 2 ** 20;
const command = [
  'node',
  '--experimental-strip-types',
  '--disable-warning=ExperimentalWarning',
  'test/runtimes/in-guest.ts',
];

interface Said {
  name?: string;
  got?: unknown;
  words?: string[];
  said?: unknown;
  stderr?: string;
}

describe('a guest with cgroup v2', () => {
  let lines: Said[];
  beforeAll(async () => {
    const result = await bootGuest({ kernel: '6.12', cgroup: 'v2', memoryMib: 768, limitSeconds: 300, command });
    if (result.exitCode !== 0) throw new Error(`${result.stderr}\n${result.stdout}\n${lastLines(result)}`);
    lines = result.stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
  }, 400_000);

  test.each(layouts)('$name', ({ name, expected }) => {
    expect(lines.find((line) => line.name === name)?.got).toEqual(expected);
  });

  test('a kill of all processes of a container (memory.oom.group) is one incident about all of them', () => {
    const got = lines.find(({ name }) => name === 'memory.oom.group')?.got;
    expect(got).toMatchObject([{ group_kill: true, kill_count: 3 }]);
    expect(JSON.stringify(got)).toContain(
      'was OOM-killed as a group (memory.oom.group): 3 processes, at the container',
    );
  });

  test('check reports a container from its cgroup alone, without a runtime', () => {
    const line = lines.find(({ words }) => words?.[0] === 'docker');
    const report = (line?.said as ContainerReport[] | undefined)?.[0];
    expect(line?.stderr).toContain('Ids and memory are from the cgroups');
    expect(report).toMatchObject({ state: null, container: { runtime: 'containerd', name: null } });
    const memory = report?.memory;
    expect(memory).toMatchObject({
      cgroup_version: 2,
      limit_bytes: 24 * MIB,
      counts: { oom_kills: 0 },
      oom_group: false,
    });
    expect(memory?.stat.anon_bytes).toBeGreaterThanOrEqual(16 * MIB);
    expect(memory?.unreclaimable_bytes).toBeLessThanOrEqual(memory?.usage_bytes ?? 0);
    expect(memory?.peak_bytes).toBeGreaterThanOrEqual(memory?.usage_bytes ?? 0);
    expect(memory?.pressure).not.toBeNull();
  });

  test('tree shows the container below its pod', () => {
    const root = lines.find(({ words }) => words?.[0] === 'tree')?.said as CgroupNode;
    const path: CgroupNode[] = [root];
    for (let node = root.children[0]; node; node = node.children[0]) path.push(node);
    expect(path.map((node) => node.path.split('/').at(-1))).toEqual(['', ...(layouts[0]?.path ?? [])]);
    expect(path.at(-1)).toMatchObject({ limit_bytes: 24 * MIB, oom_kills: 0, container: { runtime: 'containerd' } });
    expect(path.at(-2)?.pod?.uid).toBe(layouts[0]?.expected.pod);
    expect(path.at(-1)?.full).toBeGreaterThan(16 / 24);
  });
});
