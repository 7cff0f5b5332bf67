import { writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Event, OomStuck } from '../../src/model/events.ts';
import { createMemoryGroup, MIB, startHog } from '../kernel/memcg.ts';
import { onlyGuest, type Scenario } from './scenario.ts';

const LIMIT = 24 * MIB;

/** Only a process with CAP_SYS_RESOURCE can set oom_score_adj below 0. */
export const nothingKillable: Scenario = {
  name: 'nothing killable',
  about: 'a cgroup reaches its limit, and its only process has oom_score_adj -1000',
  notHere: onlyGuest,
  async run(lab) {
    const group = createMemoryGroup({ limitBytes: LIMIT });
    // It grows slowly, so that there is time to make it unkillable once it has set its own value.
    const hog = startHog(group, ['--rate', '8M']);
    while (!group.procs().includes(hog.pid) || group.usage() < 4 * MIB) await sleep(10);
    writeFileSync(`/proc/${hog.pid}/oom_score_adj`, '-1000');
    const isStuck = (event: Event): event is OomStuck => event.type === 'oom.stuck';
    const stuck = await lab.recorder.find(isStuck, 15_000).finally(() => hog.kill('SIGKILL'));
    await hog.ended;
    lab.same('cause', stuck.cause, 'nothing_killable');
    lab.same('cgroup', stuck.cgroup.path, group.cgroupPath);
    lab.same('limit', stuck.cgroup.limit_bytes, LIMIT);
    lab.same('trigger', stuck.trigger.pid, hog.pid);
    lab.same('attempts are counted', (stuck.ooms ?? 0) >= 2, true);
    lab.same(
      'processes',
      stuck.processes.map(({ pid, oom_score_adj }) => [pid, oom_score_adj]),
      [[hog.pid, -1000]],
    );
    lab.same('kills', lab.recorder.kills.length, 0);
  },
};
