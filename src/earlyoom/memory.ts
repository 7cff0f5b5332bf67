/** The levels of memory as earlyoom counts them since 1.8: percentages are of MemAvailable + AnonPages. */
import { parseMeminfo } from '../linux/meminfo.ts';
import { SmallFile } from '../linux/small-file.ts';
import { fixed } from '../text/c-number.ts';
import type { EarlyoomLog } from './log.ts';

/** Sizes in KiB. */
export interface Memory {
  totalKib: number;
  availableKib: number;
  /** What processes use and could use: files on a tmpfs, which no kill frees, are not in it. */
  userTotalKib: number;
  availablePercent: number;
  swapTotalKib: number;
  swapFreeKib: number;
  /** 0 without swap. */
  swapFreePercent: number;
}

let file: SmallFile | undefined;

/** Reads /proc/meminfo, from a descriptor that stays open. */
export function readMemory(log: Pick<EarlyoomLog, 'fatal'>): Memory {
  file ??= SmallFile.open('/proc/meminfo');
  if (!file) return log.fatal(102, 'could not open /proc/meminfo: No such file or directory\n');
  const found = parseMeminfo(file.read());
  if (!found) return log.fatal(103, 'could not read /proc/meminfo: 0 bytes returned\n');
  const kib = (bytes: number) => bytes / 1024;
  const available = kib(found.availableBytes);
  const userTotal = available + kib(found.anonBytes);
  const swapTotal = kib(found.swapTotalBytes);
  const swapFree = kib(found.swapFreeBytes);
  return {
    totalKib: kib(found.totalBytes),
    availableKib: available,
    userTotalKib: userTotal,
    availablePercent: (available * 100) / userTotal,
    swapTotalKib: swapTotal,
    swapFreeKib: swapFree,
    swapFreePercent: swapTotal > 0 ? (swapFree * 100) / swapTotal : 0,
  };
}

export const percent = (value: number) => `${fixed(value, 2, 5)}%`;
export const mib = (kib: number, width: number) => String(Math.floor(kib / 1024)).padStart(width);

/** The status line. */
export function statusLine(memory: Memory): string {
  const { availableKib, userTotalKib, availablePercent, swapFreeKib, swapTotalKib, swapFreePercent } = memory;
  const part = `${mib(availableKib, 5)} of ${mib(userTotalKib, 5)} MiB (${percent(availablePercent)})`;
  return `mem avail: ${part}, swap free: ${mib(swapFreeKib, 4)} of ${mib(swapTotalKib, 4)} MiB (${percent(swapFreePercent)})\n`;
}
