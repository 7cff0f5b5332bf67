/** Kills processes in many ways, and checks whom `oomscope trace --all-kills` names. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Event } from '../../src/model/events.ts';
import type { ProcessKilled } from '../../src/model/process-killed.ts';
import { startTrace } from '../cli/cli.ts';
import { schemaErrors } from '../schema.ts';
import { MIB, oomKill, oomKillsUnavailable, removeMemoryGroups } from './memcg.ts';

const reason = oomKillsUnavailable();
/** The mount of cgroup v2, if this kernel has cgroup.kill. */
const v2 = ['/sys/fs/cgroup', '/sys/fs/cgroup/unified'].find((path) => existsSync(`${path}/cgroup.controllers`));

describe.skipIf(reason !== undefined)(`process.killed${reason ? `: ${reason}` : ''}`, () => {
  let trace: Awaited<ReturnType<typeof startTrace>>;
  beforeAll(async () => {
    trace = await startTrace(['--all-kills']);
  });
  afterAll(async () => {
    removeMemoryGroups();
    trace?.child.kill('SIGINT');
    await trace?.ended;
  });

  const killed = async (pid: number | undefined): Promise<ProcessKilled> => {
    const find = () =>
      trace.events.find((event): event is ProcessKilled => event.type === 'process.killed' && event.victim.pid === pid);
    for (let i = 0; i < 500 && !find(); i++) await sleep(20);
    const event = find();
    if (!event) throw new Error(`expected the death of ${pid}; seen:\n${trace.events.map(told).join('\n')}`);
    expect(schemaErrors(event)).toEqual([]);
    return event;
  };
  const gist = async (pid: number | undefined) => {
    const { signal, by } = await killed(pid);
    return { signal, kind: by.kind, means: by.means, sender: by.process?.pid ?? null };
  };

  it('names the process that sent SIGKILL, its program and its arguments', async () => {
    const child = sleeper();
    child.kill('SIGKILL');
    const event = await killed(child.pid);
    expect(event.by.process).toMatchObject({ pid: process.pid, exe: expect.stringContaining('node') });
    expect(event.by.process?.cmdline?.[0]).toBeDefined();
    expect(event.by.process?.ancestors[0]).toMatchObject({ pid: process.ppid });
    expect(event.victim).toMatchObject({ comm: 'sleep', ppid: process.pid, namespace_init: false });
    expect(event.signal_to_end_ns).toBeGreaterThan(0);
    expect(event.message).toContain(`(pid ${process.pid})`);
  });

  it('reports SIGTERM that a process dies of, and not SIGTERM that it handles', async () => {
    const handling = shell('trap "exit 0" TERM; echo ready; while :; do sleep 0.05; done');
    await once(handling.stdout as NodeJS.ReadableStream, 'data');
    handling.kill('SIGTERM');
    await once(handling, 'close');
    const child = sleeper();
    child.kill('SIGTERM');
    expect(await gist(child.pid)).toMatchObject({ signal: 'SIGTERM', sender: process.pid });
    expect(trace.events.map(victimOf)).not.toContain(handling.pid);
  });

  it('does not report a crash or a broken pipe', async () => {
    const crashed = shell('ulimit -c 0; kill -ABRT $$');
    await once(crashed, 'close');
    const child = sleeper();
    child.kill('SIGKILL');
    await killed(child.pid);
    expect(trace.events.map(victimOf)).not.toContain(crashed.pid);
  });

  it('tells a process that kills itself', async () => {
    const child = shell('kill -KILL $$');
    expect(await gist(child.pid)).toEqual({ signal: 'SIGKILL', kind: 'self', means: 'signal', sender: child.pid });
  });

  it('tells the end of a pid namespace, and why it ended', async () => {
    const child = spawn('unshare', ['-pf', 'sh', '-c', 'sleep 1000 & echo $!; wait'], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    await once(child.stdout, 'data');
    const init = childOf(child.pid as number);
    const inside = childOf(init);
    process.kill(init, 'SIGKILL');
    expect(await gist(init)).toMatchObject({ means: 'signal', sender: process.pid });
    const event = await killed(inside);
    expect(event.by).toMatchObject({ kind: 'namespace_end', process: { pid: init } });
    expect(event.by.reason?.words).toContain(`(pid ${process.pid})`);
    expect((await killed(init)).victim).toMatchObject({ namespace_init: true, namespace_pid: 1 });
  });

  it('tells a parent that exits before a child with PR_SET_PDEATHSIG', async () => {
    const parent = shell('setpriv --pdeathsig KILL sleep 1000 & echo $!; sleep 0.3; exit 0');
    const [pid] = await once(parent.stdout as NodeJS.ReadableStream, 'data');
    expect(await gist(Number(pid))).toEqual({
      ...{ signal: 'SIGKILL', kind: 'parent_exit', means: 'kernel', sender: parent.pid },
    });
  });

  it.skipIf(v2 === undefined || !hasCgroupKill(v2))('tells a write to cgroup.kill', async () => {
    const path = `${v2}/oomscope-${process.pid}-killed`;
    mkdirSync(path);
    try {
      const child = sleeper();
      writeFileSync(`${path}/cgroup.procs`, String(child.pid));
      const writer = shell(`echo 1 > ${path}/cgroup.kill`);
      expect(await gist(child.pid)).toMatchObject({ signal: 'SIGKILL', means: 'cgroup_kill', sender: writer.pid });
    } finally {
      await removeWhenEmpty(path);
    }
  });

  it('ties a kill by the OOM killer to its oom.kill', async () => {
    const { pid } = await oomKill({ limitBytes: 16 * MIB });
    const event = await killed(pid);
    expect(event.by).toMatchObject({ kind: 'oom_killer', means: 'kernel', process: null, reason: { source: 'event' } });
    const kill = trace.events.find((one) => one.type === 'oom.kill' && one.victim.pid === pid);
    expect(event.kill_id).toBe(kill?.id);
  });

  it('numbers its events with those of the tracer, and loses none', () => {
    expect(trace.events.map(({ seq }) => seq)).toEqual(trace.events.map((_, i) => i));
    expect(trace.events.filter(({ type }) => type === 'tracer.lost')).toEqual([]);
  });
});

const told = ({ type, message }: Event) => `${type}: ${message}`;
const victimOf = (event: Event) => (event.type === 'process.killed' ? event.victim.pid : undefined);
const sleeper = () => spawn('sleep', ['1000'], { stdio: 'ignore' });
const shell = (script: string): ChildProcess => spawn('sh', ['-c', script], { stdio: ['ignore', 'pipe', 'ignore'] });

/** The first child of a process. */
function childOf(pid: number): number {
  for (const name of readdirSync('/proc').filter((one) => /^\d+$/.test(one))) {
    if (parentOf(name) === pid) return Number(name);
  }
  throw new Error(`expected ${pid} to have a child`);
}

function parentOf(pid: string): number | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
  } catch {
    return undefined;
  }
}

/** Linux 5.14 and later. The root has no such file. */
function hasCgroupKill(mount: string): boolean {
  const path = `${mount}/oomscope-${process.pid}-probe`;
  try {
    mkdirSync(path);
    const has = existsSync(`${path}/cgroup.kill`);
    rmdirSync(path);
    return has;
  } catch {
    return false;
  }
}

async function removeWhenEmpty(path: string): Promise<void> {
  for (let i = 0; i < 100; i++) {
    try {
      rmdirSync(path);
      return;
    } catch {
      await sleep(20);
    }
  }
}
