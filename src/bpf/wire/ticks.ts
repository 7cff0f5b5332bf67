/** USER_HZ is 100 on x86-64 and arm64. */
const NS_PER_TICK = 10_000_000n;

/** When a task started, as the kernel has it, in the unit of field 22 of /proc/PID/stat. @param startNs since boot */
export const toTicks = (startNs: bigint): number => Number(startNs / NS_PER_TICK);
