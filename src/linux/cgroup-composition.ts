import type { CgroupComposition } from '../model/cgroup-usage.ts';
import { loadNative } from '../native/addon.ts';
import { inode } from './memory-cgroup.ts';

/** How many values the addon writes, in the order of native/composition.cc. */
export const COMPOSITION_VALUES = 10;
const values = new Float64Array(COMPOSITION_VALUES);
const bytes = new Uint8Array(values.buffer);
const Value = {
  READ_AT: 0,
  USAGE: 1,
  ANON: 2,
  FILE: 3,
  SHMEM: 4,
  KERNEL: 5,
  SLAB: 6,
  SOCK: 7,
  PAGE_TABLES: 8,
  SWAP: 9,
};

/**
 * Reads what the memory of a cgroup consists of, at once and without a cache, in one call of the addon.
 *
 * @param id the kernel's id of the cgroup
 * @param monoNs CLOCK_MONOTONIC of the event to which the figures belong
 * @returns null: the cgroup was removed, another one has its path, or its files may not be read
 */
export function readComposition(
  directory: string,
  { id, version }: { id: string; version: 1 | 2 },
  monoNs: number,
): CgroupComposition | null {
  if (!loadNative().cgroupComposition(directory, BigInt(id), version, bytes)) return null;
  return compositionOf(values, 0, monoNs);
}

/** @param from the index of the first value */
export function compositionOf(values: Float64Array, from: number, monoNs: number): CgroupComposition {
  const at = (index: number) => values[from + index] as number;
  const known = (index: number) => (Number.isNaN(at(index)) ? null : at(index));
  return {
    source: 'memory.stat',
    age_ns: at(Value.READ_AT) - monoNs,
    usage_bytes: at(Value.USAGE),
    anon_bytes: at(Value.ANON),
    file_bytes: at(Value.FILE),
    shmem_bytes: at(Value.SHMEM),
    kernel_bytes: known(Value.KERNEL),
    slab_bytes: known(Value.SLAB),
    sock_bytes: known(Value.SOCK),
    page_tables_bytes: known(Value.PAGE_TABLES),
    swap_bytes: known(Value.SWAP),
  };
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
