/** Finds cgroups in which the kernel kills no process when they are out of memory. */
import { cgroupProcesses, isUnkillable } from '../linux/cgroup-processes.ts';
import type { Cgroupfs } from '../linux/cgroupfs.ts';
import { readIfPresent } from '../linux/read-if-present.ts';
import { printable } from '../text/printable.ts';
import { type Finding, findingsOf } from './finding.ts';

const { warning, critical } = findingsOf('cgroups');

/** On cgroup v1, oom_kill_disable in memory.oom_control makes tasks wait at the limit instead of being killed. */
export function hanging(cgroupfs: Cgroupfs, paths: readonly string[]): Finding[] {
  if (cgroupfs.version === 2) return [];
  return paths.flatMap((path) => {
    const control = readIfPresent(`${cgroupfs.directory(path)}/memory.oom_control`);
    if (!control || !/^oom_kill_disable 1$/m.test(control)) return [];
    const now = /^under_oom 1$/m.test(control);
    return [
      (now ? critical : warning)(
        path,
        now ? 'its tasks hang, waiting for memory' : 'oom_kill_disable is 1',
        'At the limit no process is killed: tasks hang until the limit is raised.',
        `echo 0 > ${cgroupfs.directory(path)}/memory.oom_control`,
      ),
    ];
  });
}

/** @param paths cgroups that are near their limit */
export function unkillable(cgroupfs: Cgroupfs, paths: readonly string[]): Finding[] {
  return paths.flatMap((path) => {
    const processes = cgroupProcesses(cgroupfs, path);
    const [largest] = processes;
    if (!largest || !processes.every(isUnkillable)) return [];
    const all = processes.length === 1 ? 'its one process has' : `all of its ${processes.length} processes have`;
    return [
      critical(
        path,
        `no process in it can be killed: ${all} oom_score_adj -1000, the largest is ${printable(largest.comm)} (pid ${largest.pid})`,
        'When the cgroup is out of memory, the kernel finds no process to kill: allocations fail again and again, and each time the kernel logs a report.',
        'raise the limit, or raise oom_score_adj of a process that may be killed',
      ),
    ];
  });
}
