import { readMeminfo } from '../../linux/system.ts';

/** How much memory and swap there is, in KiB. */
export function machineKib(): { memory: number; swap: number } {
  const memory = readMeminfo();
  return { memory: (memory?.total_bytes ?? 0) / 1024, swap: (memory?.swap_total_bytes ?? 0) / 1024 };
}
