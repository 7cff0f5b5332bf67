/** Ten containers of a real dockerd: three OOM-killed, two killed by hand, and other meanings of 137 and "oom". */
import { chmodSync, mkdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createMemoryGroup, type MemoryGroup } from '../../src/demo/memory-group.ts';
import { memoryHierarchy } from '../../src/linux/memory-hierarchy.ts';
import type { Alert } from '../../src/model/alert.ts';
import type { ContainerOom } from '../../src/model/container-events.ts';
import type { ContainerReport } from '../../src/model/container-report.ts';
import { oomscope } from '../cli/cli.ts';
import { oomKill } from '../kernel/memcg.ts';
import { schemaErrors } from '../schema.ts';
import { type Daemon, removeGroups, runOptions, startDocker, unavailable } from './daemon.ts';
import { expectedEnds, startTen, withOom } from './ten-containers.ts';
import { type ContainerEnd, gist, Watching } from './watching.ts';

const MIB = 2 ** 20;
const box = { runtime: 'docker', image: 'box:1' } as const;
const reason = unavailable('dockerd', 'docker', 'busybox');
const v1 = memoryHierarchy()?.version === 1;

describe.skipIf(reason !== undefined)(`Docker${reason ? `: ${reason}` : ''}`, () => {
  let docker: Daemon;
  let slice: MemoryGroup;
  let watch: Watching;
  let trace: Watching;
  /** A watch without the privilege to trace. */
  let weak: Watching;
  const alertFile = () => join(docker.home, 'alerts');
  /** The ids of the events of all alerts so far. */
  const alerted = () =>
    readFileSync(alertFile(), 'utf8')
      .split('\n')
      .slice(0, -1)
      .map((line) => (JSON.parse(line) as Alert).event?.id);
  const check = async (...words: string[]) => {
    const { stdout, stderr, code } = await oomscope([
      'docker',
      'check',
      '--json',
      '--sample',
      '10ms',
      ...words,
      '--socket',
      docker.socket,
    ]);
    return { reports: code === 0 ? (JSON.parse(stdout) as ContainerReport[]) : [], stderr, code };
  };

  beforeAll(async () => {
    docker = await startDocker();
    slice = createMemoryGroup({
      limitBytes: 48 * MIB,
      parent: memoryHierarchy()?.mount as string,
      name: `oomscope-${process.pid}-slice`,
    });
    const sink = ['--alert', `file=${alertFile()}`];
    watch = await Watching.start(['docker', 'watch', '--json', '--socket', docker.socket, ...sink]);
    trace = await Watching.start(['trace', '--json'], { DOCKER_HOST: `unix://${docker.socket}` });
    chmodSync(docker.home, 0o755);
    chmodSync(docker.socket, 0o666);
    const nobody = ['setpriv', '--reuid=65534', '--clear-groups', '--bounding-set=-all', '--inh-caps=-all', '--'];
    weak = await Watching.start(['docker', 'watch', '--json', '--socket', docker.socket], {}, nobody);
    const labels = ['--label', 'com.docker.compose.project=shop', '--label', 'com.docker.compose.service=web'];
    await startTen(docker, { ...box, slice, labels });
  }, 120_000);

  afterAll(async () => {
    await watch?.[Symbol.asyncDispose]();
    await trace?.[Symbol.asyncDispose]();
    await weak?.[Symbol.asyncDispose]();
    await docker?.close();
    slice?.remove();
    if (slice) removeGroups([slice.cgroupPath]);
  }, 60_000);

  test.each(expectedEnds(box))('%s', async (name, expected) => {
    const end = await watch.of(name);
    expect(gist(end)).toEqual({ name, ...expected });
    expect(schemaErrors(end)).toEqual([]);
  });

  // cgroup v1 notifies every group below the one that ran out, and Docker emits "oom" for each; v2 does not.
  test('reports a container as spared when its slice ran out of memory but the container was not killed', async () => {
    await watch.of('oom-slice');
    if (v1) {
      expect(gist(await watch.of('fine-in-slice'))).toMatchObject({ verdict: 'spared', kills: 0, ended: false });
    } else {
      expect(watch.ends.map(({ container }) => container.name)).not.toContain('fine-in-slice');
    }
    expect(await docker.command(['inspect', '-f', '{{.State.Running}}', 'fine-in-slice'])).toBe('true');
  });

  test('reports no event about the healthy container, and exactly one end of every other container', async () => {
    await Promise.all(['oom-child', 'oom-slice', 'hand-kill'].map((name) => watch.of(name)));
    // A kill of another test in a cgroup that looks like a container's has no name.
    const names = watch.ends.flatMap(({ container }) => container.name ?? []);
    expect(names).not.toContain('fine');
    expect([...new Set(names)].sort()).toEqual([...names].sort());
  });

  test('reports kills in quick succession, in events and alerts: the first at once, the others every two seconds', async () => {
    const loop = 'while :; do tail /dev/zero; sleep 0.3; done';
    await docker.command(runOptions(docker, 'loop', ['-d', '-m', '32m'], ['sh', '-c', loop]));
    const isAbout = (name: string) => (report: ContainerEnd) => report.container.name === name;
    const isLoop = isAbout('loop');
    const first = await watch.until(isLoop, 'a first report of the loop');
    expect(first).toMatchObject({ type: 'container.oom', update: 0 });
    // Within a quarter of a second the runtime may not have said which process is the main one.
    expect(['killed', 'process_killed']).toContain((first as ContainerOom).verdict);
    const itsKill = () => trace.kills.find(({ victim }) => victim.pid === (first as ContainerOom).kills[0]?.pid);
    for (let tries = 0; tries < 500 && !itsKill(); tries++) await sleep(20); // trace is another process
    const apart = BigInt(first.mono_ns) - BigInt(itsKill()?.mono_ns ?? 0);
    expect(apart < 1_000_000n).toBe(true);
    for (let tries = 0; tries < 500 && !alerted().includes(first.id); tries++) await sleep(20);
    expect(alerted()).toContain(first.id);
    expect(watch.ends.filter(isLoop)).toEqual([]); // the loop still runs
    const third = await watch.until((report) => isLoop(report) && (report as ContainerOom).update === 2, 'updates');
    expect((third as ContainerOom).kill_count).toBeGreaterThan((first as ContainerOom).kill_count);
    expect(third).toMatchObject({ final: false, incident: first.id });
    await docker.command(['rm', '-f', 'loop']);
    const last = (await watch.of('loop')) as ContainerOom;
    expect(last).toMatchObject({ final: true, incident: first.id });
    for (const report of watch.reports.filter(isLoop)) expect(schemaErrors(report)).toEqual([]);
  });

  test('reports each OOM of a container that is restarted in a loop, in events and alerts', async () => {
    await docker.command(
      runOptions(docker, 'crash', ['-d', '-m', '32m', '--restart', 'always'], ['tail', '/dev/zero']),
    );
    const oomsOf = () => watch.ends.filter(({ container }) => container.name === 'crash') as ContainerOom[];
    await watch.until(() => oomsOf().length >= 4, 'four ends of the crash loop');
    await docker.command(['rm', '-f', 'crash']);
    const kills = trace.kills.filter(({ victim }) => victim.container?.name === 'crash');
    const firstFour = oomsOf().slice(0, 4);
    const ids = firstFour.map(({ incident, id }) => incident ?? id);
    for (let tries = 0; tries < 500 && !ids.every((id) => alerted().includes(id)); tries++) await sleep(20);
    expect(alerted()).toEqual(expect.arrayContaining(ids));
    for (const oom of firstFour) {
      expect(oom).toMatchObject({ verdict: 'main_killed', kill_count: 1, ended: true, exit_code: 137, update: 0 });
      expect(kills.map(({ victim }) => victim.pid)).toContain(oom.kills[0]?.pid);
    }
  });

  test('names the main process of a container in which two children were killed before it', async () => {
    const three = 'tail /dev/zero; tail /dev/zero; exec tail /dev/zero';
    await docker.command(runOptions(docker, 'three', ['-m', '32m'], ['sh', '-c', three]), true);
    const end = (await watch.of('three')) as ContainerOom;
    expect(gist(end)).toMatchObject({ verdict: 'main_killed', kills: 3, ended: true, exit_code: 137 });
    expect(end.kills.map(({ main }) => main)).toEqual([false, false, true]);
    expect(end.message).toMatch(/its main process tail \(pid \d+\), holding .*, and 2 other processes,/);
  });

  test('says what fills the container when the victim does not, and the pid that the container knows', async () => {
    const fill = 'dd if=/dev/zero of=/dev/shm/file bs=1M count=12 2>/dev/null; tail /dev/zero; sleep 1000';
    await docker.command(runOptions(docker, 'tmpfs', ['-d', '-m', '16m'], ['sh', '-c', fill]));
    await watch.of('tmpfs');
    const kill = trace.kills.find(({ victim }) => victim.container?.name === 'tmpfs');
    expect(kill?.composition?.shmem_bytes).toBeGreaterThanOrEqual(12 * MIB);
    expect(kill?.message).toMatch(
      /its limit of 16 MiB, of which 12(\.\d)? MiB are in tmpfs and shared memory, not in the victim;/,
    );
    expect(kill?.victim.namespace_pids).toHaveLength(2);
    expect(kill?.victim.namespace_pids[1]).toBeGreaterThan(1);
    expect(trace.kills.find(({ victim }) => victim.container?.name === 'oom')?.victim.namespace_pids[1]).toBe(1);
  });

  test.runIf(v1)('names the container that Docker knows, and the container inside it', async () => {
    await docker.command(runOptions(docker, 'outer', ['-d', '-m', '256m'], ['sleep', '1000']));
    const pid = await docker.command(['inspect', '-f', '{{.State.Pid}}', 'outer']);
    const mount = memoryHierarchy()?.mount as string;
    const cgroup = /^\d+:memory:(.*)$/m.exec(readFileSync(`/proc/${pid}/cgroup`, 'utf8'))?.[1] as string;
    const inner = 'b'.repeat(64);
    const group = createMemoryGroup({
      limitBytes: 32 * MIB,
      parent: `${mount}${cgroup}`,
      name: `cri-containerd-${inner}.scope`,
    });
    const { pid: victim } = await oomKill({ group });
    for (let tries = 0; tries < 500 && !trace.kills.some((kill) => kill.victim.pid === victim); tries++)
      await sleep(20);
    const kill = trace.kills.find((one) => one.victim.pid === victim);
    expect(kill?.victim).toMatchObject({
      container: { name: 'outer', runtime: 'docker' },
      inner_containers: [{ id: inner, runtime: 'containerd', name: null }],
    });
    group.remove();
    await docker.command(['rm', '-f', 'outer']);
  });

  test.runIf(v1)('reports a container that hangs because of --oom-kill-disable', async () => {
    // The memory is touched by the program itself: a system call at the limit fails with ENOMEM instead of hanging.
    const grow = 'text=0123456789; while :; do text=$text$text; done';
    const limited = ['-d', '-m', '32m', '--oom-kill-disable'];
    await docker.command(runOptions(docker, 'hangs', limited, ['sh', '-c', grow]));
    const end = await watch.of('hangs');
    expect(gist(end)).toMatchObject({ verdict: 'stuck', kills: 0, ended: false });
    expect(end.message).toContain('the kernel may not kill in it (oom_kill_disable)');
    expect(trace.events.filter(({ type }) => type === 'oom.stuck')).toMatchObject([
      { cause: 'oom_kill_disabled', cgroup: { container: { name: 'hangs' } } },
    ]);
    await docker.command(['rm', '-f', 'hangs']);
  });

  test('connects to a runtime that starts after oomscope, and reconnects after its restart', async () => {
    const late = join(docker.home, 'late');
    const socket = join(late, 'docker.sock');
    await using early = await Watching.start(['docker', 'watch', '--json'], { DOCKER_HOST: `unix://${socket}` });
    for (const name of ['late-1', 'late-2']) {
      mkdirSync(late);
      symlinkSync(docker.socket, socket);
      await sleep(1000); // a real runtime takes longer than that to run its first container
      await docker.command(runOptions(docker, name, ['-m', '32m'], ['tail', '/dev/zero']), true);
      expect(gist(await early.of(name))).toMatchObject({ name, verdict: 'main_killed', ended: true, exit_code: 137 });
      rmSync(late, { recursive: true });
    }
  });

  test('reports without the privilege to trace only events of the runtime, with the verdict "reported"', async () => {
    const reported = { ...box, verdict: 'reported', limit_of: null, kills: 0 };
    // dockerd itself says false where the shim's notice of the OOM comes after that of the exit.
    const isKnown = (await docker.command(['inspect', '-f', '{{.State.OOMKilled}}', 'oom'])).trim() === 'true';
    expect(gist(await weak.of('oom'))).toEqual(
      isKnown
        ? { name: 'oom', ...reported, ended: true, exit_code: 137 }
        : { name: 'oom', ...box, by: 'other', exit_code: 137, kernel_watched: false },
    );
    expect(gist(await weak.of('oom-child'))).toEqual({ name: 'oom-child', ...reported, ended: false, exit_code: null });
    expect(gist(await weak.of('hand-kill'))).toMatchObject({ by: 'other', exit_code: 137, kernel_watched: false });
  });

  test('trace shows the names of containers, also of those that no longer exist', () => {
    const named = trace.kills.map(({ victim: { container } }) => container?.name);
    expect(withOom.filter((name) => named.includes(name))).toEqual(withOom);
    const kill = (name: string) => trace.kills.find(({ victim }) => victim.container?.name === name);
    expect(kill('oom-late')?.victim.container).toMatchObject({
      compose_project: 'shop',
      compose_service: 'web',
      image: 'box:1',
    });
    expect(kill('oom')?.limit?.container?.name).toBe('oom');
    expect(kill('oom')?.message).toMatch(/in container oom was killed.*: it reached its limit of 32 MiB/);
    expect(kill('oom-slice')?.limit).toMatchObject({ path: slice.cgroupPath, container: null });
    expect(kill('oom-slice')?.victim.container?.runtime).toBe('docker');
    for (const event of trace.events) expect(schemaErrors(event)).toEqual([]);
  });

  test('check: shows the usage of each container, with remarks about it', async () => {
    const { reports } = await check('--all');
    const of = (name: string) => reports.find(({ container }) => container?.name === name);
    expect(reports.map(({ container }) => container?.name)).not.toContain('oom-rm');
    const fine = of('fine');
    const pid = Number(await docker.command(['inspect', '-f', '{{.State.Pid}}', 'fine']));
    expect(fine).toMatchObject({ state: 'running', pid, restart_count: 0, oom_killed: false, remarks: [] });
    expect(fine?.memory).toMatchObject({ limit_bytes: 64 * MIB, counts: { oom_kills: 0 }, cgroup_version: v1 ? 1 : 2 });
    expect(readFileSync(`/proc/${pid}/cgroup`, 'utf8')).toContain(fine?.memory?.cgroup);
    expect(of('oom-child')?.memory?.counts.oom_kills).toBe(1);
    expect(of('oom-child')?.remarks[0]).toMatchObject({
      severity: 'critical',
      text: expect.stringContaining('killed processes in it once'),
    });
    // dockerd itself says false where the shim's notice of the OOM comes after that of the exit.
    const oomKilled = (await docker.command(['inspect', '-f', '{{.State.OOMKilled}}', 'oom'])) === 'true';
    expect(of('oom')).toMatchObject({ state: 'exited', exit_code: 137, oom_killed: oomKilled, memory: null });
    expect(of('oom')?.remarks[0]).toMatchObject({
      severity: oomKilled ? 'critical' : 'warning',
      text: expect.stringMatching(oomKilled ? /a process in it was OOM-killed/ : /its runtime reports no OOM/),
    });
    expect(of('fine-in-slice')?.memory?.effective_limit).toMatchObject({
      path: slice.cgroupPath,
      limit_bytes: 48 * MIB,
    });
  });

  test('check: shows the same usage as docker stats', async () => {
    const shown = await docker.command(['stats', '--no-stream', '--format', '{{.MemUsage}}', 'fine']);
    const [, number, unit] = /^([\d.]+)(KiB|MiB) /.exec(shown) ?? [];
    const bytes = Number(number) * (unit === 'KiB' ? 1024 : MIB);
    const { reports } = await check('fine');
    expect(reports[0]?.memory?.working_set_bytes).toBeGreaterThan(bytes - MIB);
    expect(reports[0]?.memory?.working_set_bytes).toBeLessThan(bytes + MIB);
  });

  test('check: selects containers by the start of an id and by a pattern, and suggests similar names', async () => {
    const id = await docker.command(['inspect', '-f', '{{.Id}}', 'fine']);
    expect((await check(id.slice(0, 12))).reports.map(({ container }) => container?.id)).toEqual([id]);
    expect((await check('hand-*')).reports.map(({ container }) => container?.name)).toEqual([
      'hand-docker',
      'hand-kill',
    ]);
    const { code, stderr } = await check('fien');
    expect(stderr).toBe('oomscope: There is no container "fien". Did you mean fine?\n');
    expect(code).toBe(1);
  });

  test('advise: names the right service, and docker update accepts the advised command', async () => {
    const words = ['docker', 'advise', 'fine', 'oom-child', '--socket', docker.socket];
    const { stdout } = await oomscope(words);
    expect(stdout).toContain('raise 32 MiB → 48 MiB');
    const line = /(docker update .* oom-child)$/m.exec(stdout)?.[1] ?? '';
    await docker.command(line.split(' ').slice(1));
    expect(await docker.command(['inspect', '-f', '{{.HostConfig.Memory}}', 'oom-child'])).toBe(String(48 * MIB));
    const { stdout: yaml, stderr } = await oomscope([...words, '--compose']);
    expect(yaml).toMatch(/^services:\n {2}# fine:\n(?: {2}# .*\n)+ {2}"web":\n {4}mem_limit: 64m /m);
    expect(stderr).toContain('oom-child was not started by Compose');
  });
});
