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
}

/** @param bytes the content of /proc/meminfo. undefined: it could not be read, and the result is null */
export function parseMeminfo(bytes: Buffer | undefined): Meminfo | null {
  if (!bytes) return null;
  const lines = new LineReader(bytes); // read in the order of the file, which makes each search short
  const kib = (name: string) => (lines.number(name) ?? 0) * 1024;
  return {
    totalBytes: kib('MemTotal:'),
    freeBytes: kib('MemFree:'),
    availableBytes: kib('MemAvailable:'),
    swapTotalBytes: kib('SwapTotal:'),
    swapFreeBytes: kib('SwapFree:'),
    anonBytes: kib('AnonPages:'),
    shmemBytes: kib('Shmem:'),
    slabUnreclaimableBytes: kib('SUnreclaim:'),
  };
}

/** Reads /proc/meminfo now; null if it cannot be read. */
export const readMeminfo = (proc = '/proc'): Meminfo | null => parseMeminfo(readSmallFile(`${proc}/meminfo`));
