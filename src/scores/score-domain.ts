/**
 * What would run out together: the whole system, or a cgroup with a limit and all beneath it.
 */

import { ownerOf } from '../containers/container-path.ts';
import { Cgroupfs } from '../linux/cgroupfs.ts';
import { readMeminfo } from '../linux/meminfo.ts';
import { noOwner } from '../model/container.ts';
import { OomscopeError } from '../model/error.ts';
import type { PressureSubject } from '../model/pressure.ts';
import { isWithin } from '../text/cgroup-path.ts';
import type { ScoredProcess } from './task-table.ts';

export interface ScoreDomain {
  subject: PressureSubject;
  totalBytes: number;
  availableBytes: number | null;
  contains(entry: ScoredProcess): boolean;
}

/** totalram_pages() and total_swap_pages. */
export function systemDomain(): ScoreDomain {
  const memory = readMeminfo();
  return {
    subject: { scope: 'system', path: '/', id: null, ...noOwner },
    totalBytes: memory ? memory.totalBytes + memory.swapTotalBytes : 0,
    availableBytes: memory ? memory.availableBytes + memory.swapFreeBytes : 0,
    contains: () => true,
  };
}

/**
 * The domain of a cgroup: its own if it has a limit, else that of the nearest limit above it, else the system's.
 *
 * @throws OomscopeError USAGE: there is no such cgroup
 */
export function cgroupDomain(path: string, cgroupfs = Cgroupfs.find()): ScoreDomain {
  const exists = cgroupfs?.open(path);
  exists?.close();
  if (!cgroupfs || (!exists && path !== '/')) {
    const where = cgroupfs ? `below ${cgroupfs.directory('/')}` : 'for no memory controller is mounted';
    throw new OomscopeError(
      'USAGE',
      `Expected the path of a memory cgroup, got "${path}", which is not there ${where}. \`oomscope tree\` lists them.`,
    );
  }
  const [limit] = cgroupfs.limits(path);
  const system = systemDomain();
  if (!limit) return system;
  using group = cgroupfs.open(limit.path);
  const swapBytes = Math.min(swapRoom(group, limit.limitBytes), readMeminfo()?.swapTotalBytes ?? 0);
  const ids = new Set(cgroupfs.paths(65_536, limit.path).map((each) => cgroupfs.id(each)));
  return {
    subject: { scope: 'cgroup', path: limit.path, id: group?.id ?? null, ...ownerOf(limit.path) },
    totalBytes: limit.limitBytes + swapBytes,
    availableBytes: limit.leftBytes,
    contains: ({ cgroup, cgroupId }) =>
      cgroup === null ? cgroupId !== null && ids.has(cgroupId) : isWithin(cgroup, limit.path),
  };
}

/** mm/memcontrol.c: mem_cgroup_get_max(). On v1 the limit is one of memory and swap together. */
function swapRoom(group: ReturnType<Cgroupfs['open']>, limitBytes: number): number {
  const limit = group?.swapLimit();
  if (limit === null || limit === undefined) return Number.POSITIVE_INFINITY;
  return group?.version === 1 ? Math.max(0, limit - limitBytes) : limit;
}
