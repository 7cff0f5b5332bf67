import { readMeminfo } from '../../linux/meminfo.ts';

/** The machine's memory and swap in KiB. */
export function machineKib(): { memory: number; swap: number } {
  const memory = readMeminfo();
  return { memory: (memory?.totalBytes ?? 0) / 1024, swap: (memory?.swapTotalBytes ?? 0) / 1024 };
}
