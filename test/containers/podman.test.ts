/**
 * The same with Podman and crun. Podman has no `oom` event, and Podman 4.3 with crun calls none of them OOMKilled: what was an
 * OOM is known from the kernel alone.
 */
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createMemoryGroup, type MemoryGroup } from '../../scripts/memory-cgroup.ts';
import { memoryHierarchy } from '../../src/kernel/capabilities.ts';
import type { ContainerReport } from '../../src/model/container-report.ts';
import { oomscope } from '../cli/cli.ts';
import { Recorder } from '../kernel/recorder.ts';
import { schemaErrors } from '../schema.ts';
import { type Daemon, removeGroups, runOptions, startPodman, unavailable } from './daemon.ts';
import { gist, Watching } from './watching.ts';

const MIB = 2 ** 20;
const EAT = ['tail', '/dev/zero'];
const reason = unavailable('podman', 'crun', 'busybox');

describe.skipIf(reason !== undefined)(`Podman${reason ? `: ${reason}` : ''}`, () => {
  let podman: Daemon;
  let slice: MemoryGroup;
  let watch: Watching;
  let recorder: Recorder;
  const run = (name: string, options: string[], command: string[]) =>
    podman.command(runOptions(podman, name, options, command), true);

  beforeAll(async () => {
    podman = await startPodman();
    slice = createMemoryGroup({
      limitBytes: 48 * MIB,
      parent: memoryHierarchy()?.mount as string,
      name: `oomscope-${process.pid}-slice`,
    });
    watch = await Watching.start(['docker', 'watch', '--json', '--socket', podman.socket]);
    // Without the socket: the names are in Podman's own list.
    recorder = await Recorder.open({ containers: { sockets: [], storage: [join(podman.home, 'root')] } }, true);
    await run('fine', ['-d', '-m', '64m'], ['sleep', '1000']);
    await run('fine-in-slice', ['-d', '--cgroup-parent', slice.cgroupPath], ['sleep', '1000']);
    await run('hand-podman', ['-d', '-m', '32m'], ['sleep', '1000']);
    await run('hand-kill', ['-d', '-m', '32m'], ['sleep', '1000']);
    await run('oom', ['-d', '-m', '32m'], EAT);
    await run('oom-late', ['-d', '-m', '32m'], ['sh', '-c', 'sleep 0.5; exec tail /dev/zero']);
    await run('oom-host-pid', ['-d', '-m', '32m', '--pid', 'host'], EAT);
    await run('oom-rm', ['-d', '-m', '32m', '--rm'], EAT);
    await run('oom-child', ['-d', '-m', '32m'], ['sh', '-c', 'tail /dev/zero; sleep 1000']);
    await run('oom-slice', ['-d', '--cgroup-parent', slice.cgroupPath], EAT);
    await podman.command(['kill', 'hand-podman']);
    process.kill(Number(await podman.command(['inspect', '-f', '{{.State.Pid}}', 'hand-kill'])), 'SIGKILL');
  }, 120_000);

  afterAll(async () => {
    await watch?.[Symbol.asyncDispose]();
    recorder?.[Symbol.dispose]();
    await podman?.close();
    slice?.remove();
    if (slice) removeGroups([`${slice.cgroupPath}/conmon`, slice.cgroupPath]);
  }, 60_000);

  const who = { image: 'localhost/box:1', runtime: 'podman' };
  const oom = { ...who, verdict: 'main_killed', limit_of: 'container', kills: 1, ended: true, exit_code: 137 };
  test.each([
    ['oom', oom],
    ['oom-late', oom],
    ['oom-host-pid', oom],
    ['oom-rm', oom],
    ['oom-child', { ...oom, verdict: 'process_killed', ended: false, exit_code: null }],
    ['oom-slice', { ...oom, limit_of: 'cgroup_above' }],
    ['hand-podman', { ...who, by: 'runtime', exit_code: 137, kernel_watched: true }],
    ['hand-kill', { ...who, by: 'other', exit_code: 137, kernel_watched: true }],
  ])('%s', async (name, expected) => {
    const end = await watch.of(name);
    expect(gist(end)).toEqual({ name, ...expected });
    expect(schemaErrors(end)).toEqual([]);
  });

  test('of those that are well there is nothing to say', async () => {
    await Promise.all(['oom-child', 'oom-slice', 'hand-kill'].map((name) => watch.of(name)));
    const names = watch.ends.map(({ container }) => container.name);
    expect(names.filter((name) => name?.startsWith('fine'))).toEqual([]);
    expect([...new Set(names)].sort()).toEqual([...names].sort());
  });

  test('names without the socket, from the list that Podman keeps', () => {
    const named = recorder.kills.map(({ victim: { container } }) => container?.name);
    const ours = ['oom', 'oom-late', 'oom-host-pid', 'oom-rm', 'oom-child', 'oom-slice'];
    expect(ours.filter((name) => named.includes(name))).toEqual(ours);
    const kill = recorder.kills.find(({ victim }) => victim.container?.name === 'oom-rm');
    expect(kill?.victim.container).toMatchObject({ runtime: 'podman', image: 'localhost/box:1' });
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
    ).toContain('ended with 137');
  });
});
