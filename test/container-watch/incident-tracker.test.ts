/** When incidents in containers are reported, and with which verdict. The test sets the clock. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { IncidentTracker } from '../../src/container-watch/incident-tracker.ts';
import type { RuntimeEvent } from '../../src/containers/container-runtime.ts';
import { EnvelopeFactory, realtimeOffsetNs } from '../../src/events/envelope.ts';
import type { Container } from '../../src/model/container.ts';
import type { ContainerKilled, ContainerOom } from '../../src/model/container-events.ts';
import type { OomKill, OomStuck } from '../../src/model/events.ts';
import type { KillAuthor, ProcessKilled } from '../../src/model/process-killed.ts';
import { formatTime } from '../../src/text/format.ts';
import { schemaErrors } from '../schema.ts';

const ID = 'a'.repeat(64);
const named = { compose_project: null, compose_service: null };
const web: Container = { runtime: 'docker', id: ID, name: 'web', image: 'shop:1', ...named };

let reported: (ContainerOom | ContainerKilled)[];
let told: ProcessKilled[];
let tracker: IncidentTracker;
let kernelWatched: boolean;
let startMs: number;
let kills: number;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
  reported = [];
  told = [];
  kernelWatched = true;
  startMs = performance.now();
  kills = 0;
  tracker = new IncidentTracker({
    envelopes: new EnvelopeFactory(),
    emit: (event) => (event.type === 'process.killed' ? told.push(event) : reported.push(event)),
    killersWatched: () => true,
    kernelWatched: () => kernelWatched,
    runtimeWatched: () => true,
    containerOf: () => web,
  });
});
afterEach(() => {
  vi.useRealTimers();
});

/** The present time on the clock of the test, in nanoseconds since 1970. */
const nowNs = () => 1_795_000_000_000_000_000n + BigInt(Math.round((performance.now() - startMs) * 1e6));

/** @param inner the pids of the victim in the container's pid namespaces; empty: the container has none of its own */
function kill(pid: number, inner: number[] = [], more: Partial<OomKill> = {}): void {
  const cgroup = `/docker/${ID}`;
  const limit = { path: cgroup, limit_bytes: 32 * 2 ** 20, usage_bytes: 32 * 2 ** 20, container: web };
  tracker.onKill({
    ...{ id: `kill-${++kills}`, type: 'oom.kill', kind: 'killed', scope: 'cgroup', source: 'tp_btf', limit, ...more },
    ...{ time: formatTime(nowNs()), mono_ns: String(nowNs() - realtimeOffsetNs()) },
    victim: {
      ...{ pid, comm: `p${pid}`, cgroup, unit: null, container: web, pod: null, memory: { rss_bytes: 2 ** 20 } },
      ...{ namespace_pids: [pid, ...inner], inner_containers: [] },
    },
  } as unknown as OomKill);
}

function runtime(action: string, more: Partial<RuntimeEvent> = {}): void {
  const event = { action, container: web, labels: {}, exit_code: null, signal: null, time_ns: nowNs() };
  tracker.onRuntime({ ...event, ...more });
}

/** Lets time pass. */
const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms);

const ooms = () => reported.filter((event) => event.type === 'container.oom');

it('a kill of process 1 in a pid namespace inside the container is not a kill of the main process', async () => {
  kill(300, [7, 1]);
  await pass(2500);
  expect(ooms().at(-1)).toMatchObject({ verdict: 'process_killed', kills: [{ main: false }] });
});

it('a container that is out of memory without a kill is reported as stuck, not as spared', async () => {
  runtime('oom');
  await pass(1000);
  const cgroup = { path: `/docker/${ID}`, container: web, pod: null };
  tracker.onStuck({ type: 'oom.stuck', state: 'stuck', cgroup, message: 'It hangs.' } as unknown as OomStuck);
  await pass(10);
  expect(ooms()).toMatchObject([{ verdict: 'stuck', kill_count: 0, severity: 'critical', final: false }]);
  expect(ooms()[0]?.message).toContain('It hangs.');
  await pass(2500);
  expect(ooms().at(-1)).toMatchObject({ verdict: 'stuck', ended: false, final: true });
  expect(schemaErrors(ooms()[0])).toEqual([]);
});

describe('an OOM kill of the main process', () => {
  it('is reported once, when the runtime has reported the end', async () => {
    kill(100, [1]);
    await pass(50);
    runtime('die', { exit_code: 137 });
    await pass(120);
    const [oom, ...others] = ooms();
    expect(others).toEqual([]);
    expect(oom).toMatchObject({ verdict: 'main_killed', ended: true, exit_code: 137, final: true, update: 0 });
    expect(oom?.incident).toBe(oom?.id);
    expect(oom?.message).toBe(
      "Container web (image shop:1) was OOM-killed: its main process p100 (pid 100), holding 1 MiB, at the container's own limit of 32 MiB. It ended with exit code 137.",
    );
  });

  it('is reported as the main process even when other processes were killed first', async () => {
    kill(101, [7]);
    kill(102, [8]);
    kill(100, [1]);
    await pass(10);
    runtime('die', { exit_code: 137 });
    await pass(120);
    expect(ooms()[0]?.message).toContain('its main process p100 (pid 100), holding 1 MiB, and 2 other processes,');
    expect(ooms()[0]?.kills.map(({ main }) => main)).toEqual([false, false, true]);
  });

  it('is inferred from exit code 137 if the pids in the container are unknown', async () => {
    kill(100);
    await pass(10);
    runtime('die', { exit_code: 137 });
    await pass(120);
    expect(ooms()[0]).toMatchObject({ verdict: 'main_killed', kills: [{ main: null }] });
  });
});

it('a kill of another process is reported at once, and again when the container has survived it', async () => {
  kill(101, [7]);
  await pass(260);
  expect(ooms()).toMatchObject([{ verdict: 'process_killed', ended: null, final: false, update: 0 }]);
  await pass(2000);
  expect(ooms()).toHaveLength(2);
  expect(ooms()[1]).toMatchObject({ ended: false, final: true, update: 1, incident: ooms()[0]?.id });
  expect(ooms()[1]?.message).toMatch(/ It still runs\.$/);
  expect(BigInt(ooms()[1]?.mono_ns ?? 0)).not.toBe(BigInt(ooms()[0]?.mono_ns ?? 0));
});

it('a kill of a process that may be the main process is not reported as "process_killed" until the container survived it', async () => {
  kill(101);
  await pass(2300);
  expect(ooms().map(({ verdict }) => verdict)).toEqual(['killed', 'process_killed']);
});

it('reports continuous kills at once, and then every two seconds', async () => {
  for (let i = 0; i < 23; i++) {
    kill(200 + i, [2 + i]);
    await pass(500);
  }
  await pass(2100);
  const seen = ooms();
  expect(seen[0]).toMatchObject({ kill_count: 1, final: false });
  expect(seen.filter(({ final }) => final)).toHaveLength(1);
  expect(seen.at(-1)).toMatchObject({ kill_count: 23, final: true, ended: false });
  expect(seen.length).toBeGreaterThanOrEqual(6);
  expect(seen.length).toBeLessThanOrEqual(8);
  expect(new Set(seen.map(({ incident }) => incident)).size).toBe(1);
  expect(seen.map(({ update }) => update)).toEqual(seen.map((_, i) => i));
  expect(seen[2]?.message).toMatch(
    /OOM-killed: p200 \(pid 200\), holding 1 MiB, and \d+ other processes, .* More processes are being killed in it\.$/,
  );
});

it('a crash loop is one incident for each start of the container, each reported within half a second', async () => {
  for (let i = 0; i < 10; i++) {
    kill(300 + i, [1]);
    await pass(40);
    runtime('oom');
    runtime('die', { exit_code: 137 });
    await pass(60);
    runtime('start');
    await pass(20);
  }
  await pass(400);
  expect(ooms()).toHaveLength(10);
  for (const oom of ooms())
    expect(oom).toMatchObject({ verdict: 'main_killed', kill_count: 1, ended: true, final: true });
});

it('reports a kill of the whole cgroup (memory.oom.group) as the end of the container', async () => {
  kill(400, [5]);
  kill(401, [1], { kind: 'group_member' });
  kill(402, [9], { kind: 'group_member' });
  await pass(10);
  runtime('die', { exit_code: 137 });
  await pass(120);
  expect(ooms()[0]).toMatchObject({ group_kill: true, verdict: 'main_killed', kill_count: 3 });
  expect(ooms()[0]?.message).toContain(
    'was OOM-killed as a whole (memory.oom.group): 3 processes, the main process p401 (pid 401), holding 1 MiB among them,',
  );
});

it('keeps 64 kills of an incident, and only counts the others', async () => {
  for (let i = 0; i < 100; i++) kill(1000 + i, [2 + i]);
  await pass(260);
  expect(ooms()[0]).toMatchObject({ kill_count: 100 });
  expect(ooms()[0]?.kills).toHaveLength(64);
});

describe('without a kill by the kernel', () => {
  it('reports the runtime’s "oom" event as an OOM of a cgroup above the container', async () => {
    runtime('oom');
    await pass(2300);
    expect(ooms()).toMatchObject([{ verdict: 'spared', kill_count: 0, final: true, update: 0 }]);
  });

  it('reports the runtime’s "oom" event without a cause if the kernel is not watched', async () => {
    kernelWatched = false;
    runtime('oom');
    runtime('die', { exit_code: 137 });
    await pass(400);
    expect(reported).toMatchObject([{ type: 'container.oom', verdict: 'reported', ended: true }]);
  });

  it('explains exit code 137 as a SIGKILL by the runtime if a user asked for it, else by another process', async () => {
    runtime('die', { exit_code: 137 });
    await pass(400);
    runtime('kill', { signal: 9 });
    runtime('die', { exit_code: 137 });
    await pass(400);
    expect(reported).toMatchObject([
      { type: 'container.killed', by: 'other' },
      { type: 'container.killed', by: 'runtime' },
    ]);
  });

  it('reports no incident for other exit codes', async () => {
    runtime('die', { exit_code: 1 });
    await pass(3000);
    expect(reported).toEqual([]);
  });
});

it('emits events that match the schema, and reports open incidents at close()', async () => {
  kill(100, [1]);
  tracker.close();
  kill(101, [5]);
  await pass(260);
  runtime('die', { exit_code: 137 });
  tracker.close();
  expect(reported.length).toBe(3);
  for (const event of ooms()) expect(schemaErrors({ ...event, limit: null })).toEqual([]);
});

describe('who ended a container', () => {
  const author = (given: Partial<KillAuthor>): KillAuthor => ({
    ...{ kind: 'runtime', name: 'dockerd', means: 'signal', process: null, reason: null, unknown: null, ...given },
  });

  function death(
    by: Partial<KillAuthor>,
    victim: Partial<ProcessKilled['victim']> = {},
    killId: string | null = null,
  ): void {
    tracker.onDeath({
      ...{ type: 'process.killed', id: 'death', signal: 'SIGKILL', time: formatTime(nowNs()), kill_id: killId },
      victim: {
        ...{ pid: 100, ppid: 9, comm: 'sleep', parent_comm: 'containerd-shim', container: web },
        ...{ namespace_init: true, namespace_pid: 1, ...victim },
      },
      by: author(by),
    } as unknown as ProcessKilled);
  }

  it('is told for exit code 137, with what the runtime was told', async () => {
    runtime('kill', { signal: 15 });
    await pass(2000);
    runtime('kill', { signal: 9 });
    death({});
    runtime('die', { exit_code: 137 });
    await pass(500);
    const [end] = reported;
    expect(end).toMatchObject({
      type: 'container.killed',
      by: 'runtime',
      author: { name: 'dockerd' },
      main: { pid: 100 },
    });
    expect(end?.message).toContain('did not end within 2 s of SIGTERM');
    expect(schemaErrors(end as ContainerKilled)).toEqual([]);
    expect(told).toEqual([]);
  });

  it('is told after the OOM kill of a child', async () => {
    kill(101, [7]);
    await pass(500);
    runtime('kill', { signal: 9 });
    death({});
    runtime('die', { exit_code: 137 });
    await pass(500);
    expect(ooms().at(-1)).toMatchObject({ verdict: 'process_killed', ended: true, ended_by: { name: 'dockerd' } });
    expect(ooms().at(-1)?.message).toContain('killed by dockerd');
  });

  it('is the OOM killer, even if the main process was gone before /proc could be read', async () => {
    kill(100);
    death({ kind: 'oom_killer', name: 'kernel' }, {}, 'kill-1');
    runtime('die', { exit_code: 137 });
    await pass(500);
    expect(ooms().at(-1)).toMatchObject({ verdict: 'main_killed', ended_by: null });
  });

  it('is the main process itself if it returned 137, and its killed child is named', async () => {
    death({ kind: 'process', name: 'kill' }, { pid: 102, comm: 'worker', namespace_init: false, namespace_pid: 8 });
    const atMs = Number(nowNs() / 1_000_000n);
    tracker.onInitExit({ pid: 100, comm: 'sh', parentComm: 'containerd-shim', exitCode: 137, atMs, container: web });
    runtime('die', { exit_code: 137 });
    await pass(500);
    expect(reported).toMatchObject([{ type: 'container.killed', by: 'other', author: { kind: 'self' } }]);
    expect(reported[0]?.message).toContain('returned this code itself: its child worker (pid 102) was killed');
    expect(told).toMatchObject([{ victim: { pid: 102 } }]);
  });

  it('is unknown, with the reason, if no signal was seen', async () => {
    runtime('die', { exit_code: 137 });
    await pass(500);
    expect(reported).toMatchObject([
      { author: null, author_unknown: 'oomscope saw no fatal signal to its main process' },
    ]);
  });
});
