import { readMeminfo } from '../../../linux/meminfo.ts';
import { parsePressure } from '../../../linux/psi.ts';
import { readIfPresent } from '../../../linux/read-if-present.ts';
import { noOwner } from '../../../model/container.ts';
import type { MemoryRow } from '../../../pressure/memory-rows.ts';

/**
 * Reads the system's row from /proc in a millisecond. It is shown until the monitor is open, which can take seconds.
 */
export function firstRow(): { row: MemoryRow; swap: { totalBytes: number; freeBytes: number } } {
  const memory = readMeminfo();
  const text = readIfPresent('/proc/pressure/memory');
  const pressure = parsePressure(text === undefined ? undefined : Buffer.from(text));
  const { totalBytes = 0, availableBytes = 0, swapTotalBytes = 0, swapFreeBytes = 0 } = memory ?? {};
  return {
    row: {
      subject: { scope: 'system', path: '/', id: null, ...noOwner },
      level: 'normal',
      some: pressure && pressure.some.avg10 / 100,
      full: pressure && pressure.full.avg10 / 100,
      ...{ usedBytes: totalBytes - availableBytes, limitBytes: totalBytes || null, availableBytes, growth: null },
    },
    swap: { totalBytes: swapTotalBytes, freeBytes: swapFreeBytes },
  };
}
