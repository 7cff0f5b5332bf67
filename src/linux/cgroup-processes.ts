import type { Cgroupfs } from './cgroupfs.ts';
import { readProcess } from './process-reader.ts';
import type { ProcessRecord } from './process-record.ts';
import { readIfPresent } from './read-if-present.ts';

/** A process of a cgroup, with what decides whether the kernel's OOM killer can kill it. */
export type CgroupProcess = Pick<
  ProcessRecord,
  'pid' | 'comm' | 'oomScoreAdj' | 'rssBytes' | 'killPending' | 'exiting'
>;

const MOST_GROUPS = 256;
const MOST_PROCESSES = 4096;
const ADJ_MIN = -1000;

/** The processes in a cgroup and below it that hold memory, the largest first. At most 4096 processes are read. */
export function cgroupProcesses(cgroups: Cgroupfs, path: string, proc = '/proc'): CgroupProcess[] {
  const groups = cgroups.paths(MOST_GROUPS, path);
  const pids = groups.flatMap((group) => {
    const text = readIfPresent(`${cgroups.directory(group)}/cgroup.procs`) ?? '';
    return text.split('\n').map(Number);
  });
  const found = pids.slice(0, MOST_PROCESSES).flatMap((pid) => {
    const one = pid > 0 ? readProcess(pid, ['stat', 'status', 'oom_score_adj'], proc) : undefined;
    // A process that exits may wait for a disk after it has freed its memory.
    return one && (one.hasMemory || one.state === 'D') ? [one] : [];
  });
  return found.sort((a, b) => b.rssBytes - a.rssBytes);
}

/** Whether the OOM killer never kills the process: oom_unkillable_task() and oom_badness() in mm/oom_kill.c. */
export const isUnkillable = ({ pid, oomScoreAdj }: Pick<CgroupProcess, 'pid' | 'oomScoreAdj'>) =>
  pid === 1 || oomScoreAdj === ADJ_MIN;
