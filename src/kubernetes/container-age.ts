/** How long a container has run. Directories of cgroups have no time of birth, so its oldest process tells. */
import type { Cgroupfs } from '../linux/cgroupfs.ts';
import { startTicksOf, TICKS_PER_SECOND, uptimeTicks } from '../linux/process-reader.ts';
import { readIfPresent } from '../linux/read-if-present.ts';

const MOST_GROUPS = 256;
const MOST_PROCESSES = 4096;

/** @returns seconds; null: no process runs in the cgroup or below it */
export function containerAge(cgroups: Cgroupfs, path: string): number | null {
  const pids = cgroups
    .paths(MOST_GROUPS, path)
    .flatMap((group) => (readIfPresent(`${cgroups.directory(group)}/cgroup.procs`) ?? '').split('\n').map(Number));
  const starts = pids.slice(0, MOST_PROCESSES).flatMap((pid) => (pid > 0 ? (startTicksOf(pid) ?? []) : []));
  return starts.length === 0 ? null : Math.max(0, uptimeTicks() - Math.min(...starts)) / TICKS_PER_SECOND;
}
