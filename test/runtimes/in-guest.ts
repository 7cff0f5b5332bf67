/**
 * Makes each cgroup tree of layouts.ts, lets the kernel OOM-kill a hog in it, and prints facts of the event as a JSON
 * line. Then prints the output of `check` and `tree` about a running container. Runs in a guest, where no other process
 * uses the cgroups.
 */
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { IncidentTracker } from '../../src/container-watch/incident-tracker.ts';
import { createMemoryGroup, type MemoryGroup } from '../../src/demo/memory-group.ts';
import { EnvelopeFactory } from '../../src/events/envelope.ts';
import type { CgroupOwner } from '../../src/model/container.ts';
import type { ContainerOom } from '../../src/model/container-events.ts';
import { MIB, oomKill, startHog } from '../kernel/memcg.ts';
import { Recorder } from '../kernel/recorder.ts';
import { type Layout, layouts } from './layouts.ts';

const LIMIT = 24 * MIB;
const WIDE = 128 * MIB;
const say = (value: unknown) => process.stdout.write(`${JSON.stringify(value)}\n`);

/** Makes the groups of a layout from the root down. Each group has a limit; the limit of the group `limited` is hit. */
function make({ path, limited }: Layout): MemoryGroup[] {
  const limit = (at: number) => (at === limited ? LIMIT : WIDE);
  const groups = [createMemoryGroup({ limitBytes: limit(0), name: path[0] as string })];
  for (const [at, name] of path.entries()) {
    if (at > 0) groups.push((groups[at - 1] as MemoryGroup).child(name, limit(at)));
  }
  return groups;
}

const gist = ({ unit, pod, container }: CgroupOwner) => ({
  ...{ unit, pod: pod?.uid ?? null, container: container && `${container.runtime ?? '?'}:${container.id}` },
});

function trackIncidents(ends: ContainerOom[]): IncidentTracker {
  return new IncidentTracker({
    envelopes: new EnvelopeFactory(),
    emit: (event) => event.type === 'container.oom' && ends.push(event),
    kernelWatched: () => true,
    killersWatched: () => false,
    runtimeWatched: () => false,
    containerOf: () => null,
  });
}

/** The kernel kills all processes of a container whose cgroup has memory.oom.group. */
async function killWhole(layout: Layout): Promise<void> {
  const groups = make(layout);
  const group = groups.at(-1) as MemoryGroup;
  const ends: ContainerOom[] = [];
  const joined = trackIncidents(ends);
  const holders = [1, 2].map(() => startHog(group, ['--hold', '1M']));
  await Promise.all(holders.map(({ ready }) => ready));
  writeFileSync(join(group.path, 'memory.oom.group'), '1');
  const { pid } = await oomKill({ group });
  await Promise.all(holders.map(({ ended }) => ended));
  for (const one of [pid, ...holders.map((holder) => holder.pid)]) joined.onKill(await recorder.kill(one));
  joined.close();
  say({
    name: 'memory.oom.group',
    got: ends.map(({ group_kill, kill_count, message }) => ({ group_kill, kill_count, message })),
  });
  groups[0]?.remove();
}

using recorder = await Recorder.open({}, true);
for (const layout of layouts) {
  const groups = make(layout);
  const ends: ContainerOom[] = [];
  const joined = trackIncidents(ends);
  const { pid } = await oomKill({ group: groups.at(-1) as MemoryGroup });
  const kill = await recorder.kill(pid);
  joined.onKill(kill);
  joined.close();
  const { container, pod, unit } = gist(kill.victim);
  const limit = kill.limit && { container: gist(kill.limit).container, pod: gist(kill.limit).pod };
  say({ name: layout.name, got: { container, unit, pod, limit, limit_of: ends[0]?.limit_of ?? '' } });
  groups[0]?.remove();
}

const [first] = layouts as [Layout];
await killWhole(first);
const groups = make(first);
const hog = startHog(groups.at(-1) as MemoryGroup, ['--hold', '16M']);
await hog.ready;
for (const words of [
  ['docker', 'check', '--json', '--sample', '10ms'],
  ['tree', '--json'],
]) {
  const { stdout, stderr } = spawnSync('oomscope', words, { encoding: 'utf8' });
  say({ words, said: JSON.parse(stdout), stderr });
}
hog.kill('SIGKILL');
await hog.ended;
groups[0]?.remove();
