import { LineReader, readSmallFile } from './small-file.ts';

/** /proc/meminfo, as far as anything here needs it. A line that is missing counts as 0. */
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

/** @param bytes of /proc/meminfo. undefined, a file that cannot be read, gives null */
export function parseMeminfo(bytes: Buffer | undefined): Meminfo | null {
  if (!bytes) return null;
  const lines = new LineReader(bytes); // in the order of the file, which makes each search short
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

/** As it is now; null when it cannot be read. */
export const readMeminfo = (proc = '/proc'): Meminfo | null => parseMeminfo(readSmallFile(`${proc}/meminfo`));
