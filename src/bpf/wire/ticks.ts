import { KernelLimit } from './layout.ts';

const NS_PER_TICK = BigInt(KernelLimit.NS_PER_TICK);

/** The kernel's start time of a task in the unit of field 22 of /proc/PID/stat. @param startNs since boot */
export const toTicks = (startNs: bigint): number => Number(startNs / NS_PER_TICK);
