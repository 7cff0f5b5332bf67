/**
 * Makes cgroups that are out of memory and in which the kernel frees none, and prints a line of JSON about each with its
 * `oom.stuck` event. Only in a guest: a process needs CAP_SYS_RESOURCE to set oom_score_adj below 0, the kernel logs a long
 * report at each attempt, and the file system of /var/tmp stops.
 *
 *   node test/lab/stuck.ts [SCENE…]
 */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Event, OomStuck } from '../../src/model/events.ts';
import { createMemoryGroup, type Hog, type MemoryGroup, MIB, removeMemoryGroups, startHog } from '../kernel/memcg.ts';
import { Recorder } from '../kernel/recorder.ts';

if (!existsSync('/lab/settings')) throw new Error('expected a guest of the kernel lab');

const HOG = `${import.meta.dirname}/../../build/hog`;
const limitBytes = 24 * MIB;
const PATIENCE_MS = 90_000;
const isStuck = (event: Event): event is OomStuck => event.type === 'oom.stuck' && event.state === 'stuck';

/** A hog that the kernel may not kill, and that takes memory until there is none. */
async function unkillable(group: MemoryGroup): Promise<Hog> {
  const before = group.usage();
  // It grows slowly, so that there is time to make it unkillable once it has set its own value, in an emulated guest, too. Its
  // program's file takes some 1.5 MiB before that.
  const hog = startHog(group, ['--rate', '1M']);
  for (let tries = 0; group.usage() < before + 4 * MIB && tries < 3000; tries++) await sleep(10);
  writeFileSync(`/proc/${hog.pid}/oom_score_adj`, '-1000');
  return hog;
}

/** A hog that holds shared memory, which the OOM reaper does not free, and that waits for a disk (state D). */
async function waitingForDisk(group: MemoryGroup) {
  const file = openSync('/var/tmp/stopped', 'w');
  execFileSync('busybox', ['fsfreeze', '--freeze', '/scratch']);
  const where = ['--cgroup', group.path, '--adj', '0'];
  const child = spawn(HOG, [...where, '--shm', '12M', '--hold', '1M'], { stdio: ['ignore', file, 'inherit'] });
  closeSync(file);
  const state = () => /\) (\w) /.exec(readFileSync(`/proc/${child.pid}/stat`, 'latin1'))?.[1];
  for (let tries = 0; state() !== 'D' && tries < 1000; tries++) await sleep(10);
  return { pid: child.pid as number, state: state(), ended: once(child, 'exit') };
}

const scenes: Record<string, () => Promise<object>> = {
  async 'nothing killable'() {
    using recorder = await Recorder.open({}, true);
    const group = createMemoryGroup({ limitBytes });
    const hog = await unkillable(group);
    const stuck = await recorder.find(isStuck, PATIENCE_MS).finally(() => hog.kill('SIGKILL'));
    await hog.ended;
    const kills = recorder.kills.map(({ victim }) => victim.pid);
    return { stuck, cgroup: group.cgroupPath, processes: [hog.pid], kills };
  },
  async 'victim waits for a disk'() {
    using recorder = await Recorder.open({}, true);
    const group = createMemoryGroup({ limitBytes });
    const victim = await waitingForDisk(group);
    const hog = await unkillable(group);
    const stuck = await recorder.find(isStuck, PATIENCE_MS).finally(() => {
      hog.kill('SIGKILL');
      execFileSync('busybox', ['fsfreeze', '--unfreeze', '/scratch']);
    });
    const [, signal] = await victim.ended;
    await hog.ended;
    const kills = recorder.kills.map(({ victim: { pid } }) => pid);
    const { state } = victim;
    return { stuck, cgroup: group.cgroupPath, processes: [victim.pid, hog.pid], kills, state, signal };
  },
};

const wanted = process.argv.slice(2);
for (const [name, play] of Object.entries(scenes))
  if (wanted.length === 0 || wanted.includes(name)) console.log(JSON.stringify(await play()));
removeMemoryGroups();
