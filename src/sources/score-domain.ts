/**
 * What would run out together: the whole system, or a cgroup with a limit and all beneath it.
 */
import { readIfPresent } from '../kernel/capabilities.ts';
import { OomscopeError } from '../model/error.ts';
import type { PressureSubject } from '../model/pressure.ts';
import { Cgroupfs } from './cgroupfs.ts';
import type { TaskEntry } from './task-table.ts';

export interface ScoreDomain {
  subject: PressureSubject;
  totalBytes: number;
  availableBytes: number | null;
  contains(entry: TaskEntry): boolean;
}

/** totalram_pages() and total_swap_pages. */
export function systemDomain(): ScoreDomain {
  const meminfo = readIfPresent('/proc/meminfo') ?? '';
  const bytes = (key: string) => Number(new RegExp(`^${key}:\\s+(\\d+) kB$`, 'm').exec(meminfo)?.[1] ?? 0) * 1024;
  return {
    subject: { scope: 'system', path: '/', id: null },
    totalBytes: bytes('MemTotal') + bytes('SwapTotal'),
    availableBytes: bytes('MemAvailable') + bytes('SwapFree'),
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
      `--domain: expected the path of a memory cgroup, got "${path}", which is not there ${where}. \`oomscope tree\` lists them.`,
    );
  }
  const [limit] = cgroupfs.limits(path);
  const system = systemDomain();
  if (!limit) return system;
  using group = cgroupfs.open(limit.path);
  const swapBytes = Math.min(swapRoom(group, limit.limitBytes), swapTotal());
  const ids = new Set(cgroupfs.paths(65_536, limit.path).map((each) => cgroupfs.id(each)));
  const below = `${limit.path === '/' ? '' : limit.path}/`;
  return {
    subject: { scope: 'cgroup', path: limit.path, id: group?.id ?? null },
    totalBytes: limit.limitBytes + swapBytes,
    availableBytes: limit.leftBytes,
    contains: ({ cgroup, cgroupId }) =>
      cgroup === null ? cgroupId !== null && ids.has(cgroupId) : cgroup === limit.path || cgroup.startsWith(below),
  };
}

/** mm/memcontrol.c: mem_cgroup_get_max(). On v1 the limit is one of memory and swap together. */
function swapRoom(group: ReturnType<Cgroupfs['open']>, limitBytes: number): number {
  const limit = group?.swapLimit();
  if (limit === null || limit === undefined) return Number.POSITIVE_INFINITY;
  return group?.version === 1 ? Math.max(0, limit - limitBytes) : limit;
}

function swapTotal(): number {
  const line = /^SwapTotal:\s+(\d+) kB$/m.exec(readIfPresent('/proc/meminfo') ?? '');
  return Number(line?.[1] ?? 0) * 1024;
}
