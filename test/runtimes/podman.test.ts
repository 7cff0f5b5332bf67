/**
 * The ten containers (ten-containers.ts) with Podman and crun. Podman has no `oom` event, and Podman 4.3 with crun
 * reports none of them as OOMKilled: only the kernel tells which containers were OOM-killed.
 */
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createMemoryGroup, type MemoryGroup } from '../../src/demo/memory-group.ts';
import { memoryHierarchy } from '../../src/linux/memory-hierarchy.ts';
import type { ContainerReport } from '../../src/model/container-report.ts';
import { oomscope } from '../cli/cli.ts';
import { Recorder } from '../kernel/recorder.ts';
import { schemaErrors } from '../schema.ts';
import { type Daemon, removeGroups, startPodman, unavailable } from './daemon.ts';
import { expectedEnds, startTen, withOom } from './ten-containers.ts';
import { gist, Watching } from './watching.ts';

const MIB = 2 ** 20;
const box = { runtime: 'podman', image: 'localhost/box:1' } as const;
const reason = unavailable('podman', 'crun', 'busybox');

describe.skipIf(reason !== undefined)(`Podman${reason ? `: ${reason}` : ''}`, () => {
  let podman: Daemon;
  let slice: MemoryGroup;
  let watch: Watching;
  let recorder: Recorder;

  beforeAll(async () => {
    podman = await startPodman();
    slice = createMemoryGroup({
      limitBytes: 48 * MIB,
      parent: memoryHierarchy()?.mount as string,
      name: `oomscope-${process.pid}-slice`,
    });
    watch = await Watching.start(['docker', 'watch', '--json', '--socket', podman.socket]);
    // Without Podman's socket, oomscope reads the names from Podman's own list of containers.
    recorder = await Recorder.open({ containers: { sockets: [], storage: [join(podman.home, 'root')] } }, true);
    await startTen(podman, { ...box, slice, ending: ['-d'] });
  }, 120_000);

  afterAll(async () => {
    await watch?.[Symbol.asyncDispose]();
    recorder?.[Symbol.dispose]();
    await podman?.close();
    slice?.remove();
    if (slice) removeGroups([`${slice.cgroupPath}/conmon`, slice.cgroupPath]);
  }, 60_000);

  test.each(expectedEnds(box))('%s', async (name, expected) => {
    const end = await watch.of(name);
    expect(gist(end)).toEqual({ name, ...expected });
    expect(schemaErrors(end)).toEqual([]);
  });

  test('reports nothing about healthy containers', async () => {
    await Promise.all(['oom-child', 'oom-slice', 'hand-kill'].map((name) => watch.of(name)));
    // A kill of another test in a cgroup that looks like a container's has no name.
    const names = watch.ends.flatMap(({ container }) => container.name ?? []);
    expect(names.filter((name) => name.startsWith('fine'))).toEqual([]);
    expect([...new Set(names)].sort()).toEqual([...names].sort());
  });

  test('names Podman as the author of `podman kill`, which runs crun', async () => {
    const end = await watch.end('hand-podman', 'container.killed');
    expect(end).toMatchObject({ author: { kind: 'runtime', name: 'podman', process: { comm: 'crun' } } });
    expect(end.message).toContain('by podman, through crun (pid ');
  });

  test('reads container names from the list that Podman keeps, when there is no socket', () => {
    const named = recorder.kills.map(({ victim: { container } }) => container?.name);
    expect(withOom.filter((name) => named.includes(name))).toEqual(withOom);
    const kill = recorder.kills.find(({ victim }) => victim.container?.name === 'oom-rm');
    expect(kill?.victim.container).toMatchObject(box);
  });

  test('check', async () => {
    const words = ['docker', 'check', '--all', '--json', '--sample', '10ms', '--socket', podman.socket];
    const reports = JSON.parse((await oomscope(words)).stdout) as ContainerReport[];
    const of = (name: string) => reports.find(({ container }) => container?.name === name);
    expect(of('fine')).toMatchObject({ state: 'running', memory: { limit_bytes: 64 * MIB }, remarks: [] });
    expect(of('oom-child')?.memory?.counts.oom_kills).toBe(1);
    expect(of('oom')).toMatchObject({ state: 'exited', exit_code: 137, memory: null });
    expect(
      of('oom')
        ?.remarks.map(({ text }) => text)
        .join(),
    ).toContain('ended with exit code 137');
  });
});
