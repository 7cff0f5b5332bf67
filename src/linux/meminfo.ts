import { LineReader, readSmallFile } from './small-file.ts';

/** The lines of /proc/meminfo that oomscope uses. A missing line counts as 0. */
export interface Meminfo {
  totalBytes: number;
  freeBytes: number;
  availableBytes: number;
  swapTotalBytes: number;
  swapFreeBytes: number;
  anonBytes: number;
  shmemBytes: number;
  slabUnreclaimableBytes: number;
  /** Memory of the kernel that it cannot reclaim: slab, stacks, page tables, per-CPU memory. */
  kernelBytes: number;
  hugetlbBytes: number;
  /** Locked pages, and other pages that the kernel cannot reclaim. */
  unevictableBytes: number;
}

/** @param bytes the content of /proc/meminfo. undefined: it could not be read, and the result is null */
export function parseMeminfo(bytes: Buffer | undefined): Meminfo | null {
  if (!bytes) return null;
  const lines = new LineReader(bytes); // read in the order of the file, which makes each search short
  const kib = (name: string) => (lines.number(name) ?? 0) * 1024;
  const [totalBytes, freeBytes, availableBytes] = [kib('MemTotal:'), kib('MemFree:'), kib('MemAvailable:')];
  const [unevictableBytes, swapTotalBytes, swapFreeBytes] = [kib('Unevictable:'), kib('SwapTotal:'), kib('SwapFree:')];
  const [anonBytes, shmemBytes, slabUnreclaimableBytes] = [kib('AnonPages:'), kib('Shmem:'), kib('SUnreclaim:')];
  const kernelBytes = slabUnreclaimableBytes + kib('KernelStack:') + kib('PageTables:') + kib('Percpu:');
  return {
    ...{ totalBytes, freeBytes, availableBytes, unevictableBytes, swapTotalBytes, swapFreeBytes },
    ...{ anonBytes, shmemBytes, slabUnreclaimableBytes, kernelBytes, hugetlbBytes: kib('Hugetlb:') },
  };
}

/** Reads /proc/meminfo now; null if it cannot be read. */
export const readMeminfo = (proc = '/proc'): Meminfo | null => parseMeminfo(readSmallFile(`${proc}/meminfo`));
