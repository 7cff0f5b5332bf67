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
  | 'free'
  | 'other';

export interface Composition {
  whole: number;
  /** What `whole` is: a cgroup's limit, or the memory of the machine. */
  of: 'limit' | 'memory';
  parts: { name: PartName; bytes: number }[];
}

/** null: the report does not have the necessary figures. */
export function compositionOf({ scope, limit, memory }: OomReport): Composition | null {
  return scope === 'cgroup' ? ofLimit(limit) : ofMemory(memory);
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
