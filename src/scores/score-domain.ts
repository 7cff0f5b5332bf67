import { ownerOf } from '../containers/container-path.ts';
import { Cgroupfs } from '../linux/cgroupfs.ts';
import { readMeminfo } from '../linux/meminfo.ts';
import { noOwner } from '../model/container.ts';
import { OomscopeError } from '../model/error.ts';
import type { PressureSubject } from '../model/pressure.ts';
import { isWithin } from '../text/cgroup-path.ts';
import type { ScoredProcess } from './task-table.ts';

/** The memory that would run out: the system's, or the limit of a cgroup, which all cgroups below it share. */
export interface ScoreDomain {
  subject: PressureSubject;
  /** RAM and swap, or the limit of the cgroup and the swap that it may use. */
  totalBytes: number;
  /** The memory that is left in the domain. */
  availableBytes: number | null;
  contains(entry: ScoredProcess): boolean;
}

/** The domain of the whole system: the kernel's totalram_pages() and total_swap_pages. */
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
 * The domain of a cgroup: the cgroup itself if it has a limit, otherwise its nearest ancestor with a limit, otherwise
 * the system.
 *
 * @throws OomscopeError USAGE: there is no such cgroup
 */
export function cgroupDomain(path: string, cgroupfs = Cgroupfs.find()): ScoreDomain {
  const exists = cgroupfs?.open(path);
  exists?.close();
  if (!cgroupfs || (!exists && path !== '/')) {
    const where = cgroupfs ? `below ${cgroupfs.directory('/')}` : 'because no memory controller is mounted';
    throw new OomscopeError(
      'USAGE',
      `Expected the path of a memory cgroup, got "${path}", which does not exist ${where}. \`oomscope tree\` lists the cgroups.`,
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

/**
 * The swap that the cgroup may use, as mem_cgroup_get_max() computes it. The limit of v1 is for memory and swap
 * together.
 */
function swapRoom(group: ReturnType<Cgroupfs['open']>, limitBytes: number): number {
  const limit = group?.swapLimit();
  if (limit === null || limit === undefined) return Number.POSITIVE_INFINITY;
  return group?.version === 1 ? Math.max(0, limit - limitBytes) : limit;
}
