/**
 * Makes a cgroup in which no process can be killed, and prints the `oom.stuck` event about it. Only in a guest: a process
 * needs CAP_SYS_RESOURCE to set oom_score_adj below 0, and the kernel logs a long report at each attempt.
 *
 *   node test/lab/stuck.ts
 */
import { writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Event, OomStuck } from '../../src/model/events.ts';
import { createMemoryGroup, MIB, removeMemoryGroups, startHog } from '../kernel/memcg.ts';
import { Recorder } from '../kernel/recorder.ts';

using recorder = await Recorder.open({}, true);
const group = createMemoryGroup({ limitBytes: 24 * MIB });
// It grows slowly, so that there is time to make it unkillable once it has set its own value.
const hog = startHog(group, ['--rate', '8M']);
for (let tries = 0; group.usage() < 2 * MIB && tries < 1000; tries++) await sleep(10);
writeFileSync(`/proc/${hog.pid}/oom_score_adj`, '-1000');
const isStuck = (event: Event): event is OomStuck => event.type === 'oom.stuck';
const stuck = await recorder.find(isStuck, 40_000).finally(() => hog.kill('SIGKILL'));
await hog.ended;
console.log(JSON.stringify({ stuck, hog: hog.pid, cgroup: group.cgroupPath, kills: recorder.kills.length }));
removeMemoryGroups();
