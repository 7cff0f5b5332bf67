/** Splits a cgroup's limit or the machine's memory into parts that do not overlap, for a bar chart. */
import type { OomReport } from '../../model/oom-report.ts';
import { kernelOf, statOf, total } from '../verdict/factors.ts';

export type PartName =
  | 'anonymous'
  | 'shared'
  | 'file cache'
  | 'kernel'
  | 'page tables'
  | 'huge pages'
  | 'swapped out'
  | 'also in memory'
  | 'free'
  | 'other';

export interface Composition {
  whole: number;
  /** What `whole` is: a cgroup's limit, the memory of the machine, or the swap of either. */
  of: 'limit' | 'memory' | 'swap limit' | 'swap';
  parts: { name: PartName; bytes: number }[];
}

/** null: the report does not have the necessary figures. */
export function compositionOf({ scope, limit, memory }: OomReport): Composition | null {
  return scope === 'cgroup' ? ofLimit(limit) : ofMemory(memory);
}

/** The swap of the machine, or of the cgroup on v2. null: the report does not have the figures, or there is no swap. */
export function swapOf({ scope, limit, memory }: OomReport): Composition | null {
  if (scope === 'cgroup') {
    return limit?.swap_bytes == null ? null : swapParts('swap limit', limit.swap_limit_bytes, limit.swap_bytes, 0);
  }
  const free = memory?.swap_free_bytes ?? null;
  const whole = memory?.swap_total_bytes ?? null;
  return whole === null || free === null ? null : swapParts('swap', whole, whole - free, memory?.swap_cache_bytes ?? 0);
}

function swapParts(of: Composition['of'], whole: number | null, used: number, cached: number): Composition | null {
  if (whole === null || whole <= 0) return null;
  const both = Math.min(cached, used);
  const parts: Composition['parts'] = [
    { name: 'swapped out', bytes: used - both },
    { name: 'also in memory', bytes: both },
    { name: 'free', bytes: whole - used },
  ];
  return { whole, of, parts: parts.filter(({ bytes }) => bytes > 0) };
}

function ofLimit(limit: OomReport['limit']): Composition | null {
  if (limit?.limit_bytes == null || limit.limit_bytes <= 0) return null;
  const values = limit.stats[0]?.values;
  if (!values) return null;
  const of = statOf(limit);
  const shared = of('shmem');
  const tables = of('pagetables');
  const kernel = kernelOf(limit);
  // cgroup v2 counts shared memory as file, v1 as cache.
  const file = Object.hasOwn(values, 'file') ? of('file') : of('cache');
  return composed(
    'limit',
    limit.limit_bytes,
    [
      ['anonymous', Object.hasOwn(values, 'anon') ? of('anon') : of('rss')],
      ['shared', shared],
      ['file cache', file - shared],
      ['page tables', tables],
      ['kernel', kernel - tables],
    ],
    limit.usage_bytes === null ? null : limit.limit_bytes - limit.usage_bytes,
  );
}

function ofMemory(memory: OomReport['memory']): Composition | null {
  if (memory?.ram_bytes == null) return null;
  const ram = memory.ram_bytes - (memory.reserved_bytes ?? 0);
  if (ram <= 0) return null;
  const of = (name: string) => total(memory, name);
  const shared = of('shmem');
  return composed(
    'memory',
    ram,
    [
      // The kernel counts shared memory in active_anon and inactive_anon.
      ['anonymous', of('active_anon') + of('inactive_anon') - shared],
      ['shared', shared],
      ['file cache', of('active_file') + of('inactive_file') + of('unevictable')],
      ['kernel', of('slab_reclaimable') + of('slab_unreclaimable') + of('kernel_stack')],
      ['page tables', of('pagetables')],
      ['huge pages', memory.hugepages.reduce((sum, { total: count, size_bytes }) => sum + count * size_bytes, 0)],
    ],
    of('free'),
  );
}

/** Adds the rest as `other`. A part may come out negative, since the figures are of different moments: then it is 0. */
function composed(of: Composition['of'], whole: number, known: [PartName, number][], free: number | null): Composition {
  const parts = known.map(([name, bytes]) => ({ name, bytes: Math.max(0, bytes) }));
  const left = whole - parts.reduce((sum, { bytes }) => sum + bytes, 0);
  const unused = Math.max(0, Math.min(left, free ?? 0));
  parts.push({ name: 'other', bytes: Math.max(0, left - unused) }, { name: 'free', bytes: unused });
  return { whole, of, parts: parts.filter(({ bytes }) => bytes > 0) };
}
