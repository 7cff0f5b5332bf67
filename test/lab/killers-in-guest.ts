/**
 * Kills processes in many ways and prints, for each way, a line of JSON with the author that the scene knows and the
 * author that `process.killed` names. It needs root, and runs in a guest or on a host.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createMemoryGroup, removeMemoryGroups } from '../../src/demo/memory-group.ts';
import { memoryHierarchy } from '../../src/linux/memory-hierarchy.ts';
import type { Event } from '../../src/model/events.ts';
import type { ProcessKilled } from '../../src/model/process-killed.ts';
import { openTracer } from '../../src/tracer/tracer.ts';
import { MIB, oomKill, startHog } from '../kernel/memcg.ts';

/** "SIGNAL KIND MEANS SENDER" of each process that died. */
type Truth = Map<number, string>;

const events: Event[] = [];
using tracer = await openTracer({ allKills: true });
tracer.events$.subscribe((event) => events.push(event));

const told = (pid: number) =>
  events.find((event): event is ProcessKilled => event.type === 'process.killed' && event.victim.pid === pid);
const line = ({ signal, by }: ProcessKilled) => `${signal} ${by.kind} ${by.means} ${by.process?.pid ?? '-'}`;
const sleeper = () => spawn('sleep', ['1000'], { stdio: 'ignore' });
const shell = (script: string): ChildProcess => spawn('sh', ['-c', script], { stdio: ['ignore', 'pipe', 'inherit'] });
const pidOf = (child: ChildProcess) => child.pid as number;
const sent = (signal: string, by = process.pid) => `${signal} process signal ${by}`;

const scenes: Record<string, () => Promise<Truth | string>> = {
  async kill() {
    const child = sleeper();
    child.kill('SIGKILL');
    return new Map([[pidOf(child), sent('SIGKILL')]]);
  },
  async 'SIGTERM of which it dies'() {
    const child = sleeper();
    await sleep(200);
    child.kill('SIGTERM');
    return new Map([[pidOf(child), sent('SIGTERM')]]);
  },
  async 'by itself'() {
    const child = shell('kill -9 $$');
    return new Map([[pidOf(child), `SIGKILL self signal ${child.pid}`]]);
  },
  async 'the second of two equal signals'() {
    const child = sleeper();
    await sleep(200);
    child.kill('SIGKILL');
    const late = shell(`kill -9 ${child.pid} 2>/dev/null; true`);
    await once(late, 'exit');
    return new Map([[pidOf(child), sent('SIGKILL')]]);
  },
  async 'end of a pid namespace'() {
    const child = shell('exec unshare -pf sh -c "sleep 1000 & sleep 1001 & wait"');
    await sleep(1000);
    const [init = 0] = childrenOf(pidOf(child));
    const [first = 0, second = 0] = childrenOf(init);
    process.kill(init, 'SIGKILL');
    const inside = `SIGKILL namespace_end kernel ${init}`;
    return new Map([
      [init, sent('SIGKILL')],
      [first, inside],
      [second, inside],
    ]);
  },
  async 'exit of its parent'() {
    const group = createMemoryGroup({ limitBytes: 64 * MIB });
    const hog = join(import.meta.dirname, '../../build/hog');
    const parent = shell(`${hog} --cgroup ${group.path} --hold ${8 * MIB} & echo $!; sleep 1; exit 0`);
    let said = '';
    parent.stdout?.on('data', (text) => {
      said += text;
    });
    await once(parent, 'exit');
    return new Map([[Number.parseInt(said, 10), `SIGKILL parent_exit kernel ${parent.pid}`]]);
  },
  async 'cgroup.kill'() {
    const mount = ['/sys/fs/cgroup', '/sys/fs/cgroup/unified'].find((path) => existsSync(`${path}/cgroup.controllers`));
    if (mount === undefined) return 'no cgroup v2';
    const path = join(mount, 'oomscope-killed');
    mkdirSync(path);
    if (!existsSync(`${path}/cgroup.kill`)) return 'no cgroup.kill';
    const children = [sleeper(), sleeper()];
    for (const child of children) writeFileSync(`${path}/cgroup.procs`, String(child.pid));
    const writer = shell(`echo 1 > ${path}/cgroup.kill`);
    await Promise.all(children.map((child) => once(child, 'exit')));
    await sleep(100);
    rmdirSync(path);
    return new Map(children.map((child) => [pidOf(child), `SIGKILL process cgroup_kill ${writer.pid}`]));
  },
  async 'the OOM killer'() {
    const { pid } = await oomKill({ limitBytes: 24 * MIB });
    return new Map([[pid, 'SIGKILL oom_killer kernel -']]);
  },
  async 'memory.oom.group'() {
    if (memoryHierarchy()?.version !== 2) return 'cgroup v1';
    const group = createMemoryGroup({ limitBytes: 48 * MIB });
    writeFileSync(join(group.path, 'memory.oom.group'), '1');
    const holders = [1, 2, 3].map(() => startHog(group, ['--hold', String(4 * MIB)]));
    await Promise.all(holders.map(({ ready }) => ready));
    const { pid } = await oomKill({ group });
    return new Map([pid, ...holders.map((one) => one.pid)].map((one) => [one, 'SIGKILL oom_killer kernel -']));
  },
};

for (const [name, play] of Object.entries(scenes)) {
  const truth = await play().catch((error: Error) => `failed: ${error.message}`);
  if (typeof truth === 'string') {
    process.stdout.write(`${JSON.stringify({ name, not: truth })}\n`);
    continue;
  }
  for (let i = 0; i < 1200 && ![...truth.keys()].every(told); i++) await sleep(50); // an emulated guest beside other work is slow
  const got = [...truth.keys()].map((pid) => {
    const event = told(pid);
    return event ? line(event) : `${pid} not told`;
  });
  process.stdout.write(`${JSON.stringify({ name, wanted: [...truth.values()], got })}\n`);
}
removeMemoryGroups();

function childrenOf(pid: number): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && parentOf(name) === pid)
    .map(Number);
}

function parentOf(pid: string): number | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
  } catch {
    return undefined;
  }
}
