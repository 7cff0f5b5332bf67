import { KernelLimit } from './layout.ts';

const NS_PER_TICK = BigInt(KernelLimit.NS_PER_TICK);

/** A task's start time in the unit of field 22 of /proc/PID/stat. @param startNs nanoseconds since boot */
export const toTicks = (startNs: bigint): number => Number(startNs / NS_PER_TICK);
