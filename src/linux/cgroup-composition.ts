import type { CgroupComposition } from '../model/cgroup-usage.ts';
import { inode, type MemoryCgroup } from './memory-cgroup.ts';
import { LineReader, numberAt, readSmallFile } from './small-file.ts';

/**
 * Reads what the memory of a cgroup consists of, at once and without a cache: 30 µs where few CPUs have counts that the
 * kernel must add up first.
 *
 * @param cgroup the caller closes it
 * @param ageNs how long ago the event was to which the figures belong
 * @returns null: the cgroup was removed, or its files may not be read
 */
export function readComposition(cgroup: MemoryCgroup, ageNs: number): CgroupComposition | null {
  const usage = cgroup.usage();
  const stat = readSmallFile(`${cgroup.directory}/memory.stat`);
  if (usage === undefined || !stat) return null;
  const parts = cgroup.version === 1 ? ofVersion1(stat) : ofVersion2(stat);
  if (!parts) return null;
  if (cgroup.version === 1) parts.kernel_bytes = bytesIn(`${cgroup.directory}/memory.kmem.usage_in_bytes`);
  return {
    ...{ source: 'memory.stat', age_ns: ageNs, usage_bytes: usage },
    ...parts,
    swap_bytes: cgroup.swap(),
  };
}

type Parts = Omit<CgroupComposition, 'source' | 'age_ns' | 'usage_bytes' | 'swap_bytes'>;

/** Documentation/admin-guide/cgroup-v1/memory.rst: the lines that begin with total_ include the cgroups below. */
function ofVersion1(stat: Buffer): Parts | null {
  const lines = new LineReader(stat);
  const cache = lines.number('total_cache');
  const anon = lines.number('total_rss');
  const shmem = lines.number('total_shmem');
  if (cache === undefined || anon === undefined || shmem === undefined) return null;
  return {
    ...{ anon_bytes: anon, file_bytes: Math.max(0, cache - shmem), shmem_bytes: shmem, kernel_bytes: null },
    ...{ slab_bytes: null, sock_bytes: null, page_tables_bytes: null },
  };
}

/** Documentation/admin-guide/cgroup-v2.rst. The line `kernel` exists since 5.18; before, its parts are added up. */
function ofVersion2(stat: Buffer): Parts | null {
  const lines = new LineReader(stat);
  const value = (name: string) => lines.number(name) ?? null;
  const anon = value('anon');
  const file = value('file');
  const kernel = value('kernel');
  const stack = value('kernel_stack');
  const tables = value('pagetables');
  const percpu = value('percpu');
  const sock = value('sock');
  const shmem = value('shmem');
  const slab = value('slab');
  if (anon === null || file === null || shmem === null) return null;
  const parts = [stack, tables, percpu, slab].filter((part) => part !== null);
  return {
    ...{ anon_bytes: anon, file_bytes: Math.max(0, file - shmem), shmem_bytes: shmem },
    kernel_bytes: kernel ?? (parts.length > 0 ? parts.reduce((a, b) => a + b, 0) : null),
    ...{ slab_bytes: slab, sock_bytes: sock, page_tables_bytes: tables },
  };
}

function bytesIn(path: string): number | null {
  const bytes = readSmallFile(path);
  const value = bytes && numberAt(bytes);
  return value === undefined || Number.isNaN(value) ? null : value;
}

/**
 * Finds the path of the cgroup with this id among a path and its ancestors. The id is the inode number of a cgroup's
 * directory.
 *
 * @param ancestors the path and its ancestors, as cgroupAncestors() returns them
 * @param directory the directory of a path
 * @returns undefined: none of them has this id
 */
export function pathOfId(
  id: string,
  ancestors: readonly string[],
  directory: (path: string) => string,
): string | undefined {
  return ancestors.find((path) => inode(directory(path)) === id);
}
