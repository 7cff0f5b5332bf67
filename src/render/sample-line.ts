import type { Sample } from '../model/sample.ts';
import { formatBytes } from '../text/format.ts';
import { printable } from '../text/printable.ts';

/** A recorded sample as one line: memory, swap, pressure, and the largest process. */
export function sampleLine({ time, system, processes }: Sample): string {
  const parts = [`${formatBytes(system.available_bytes)} of ${formatBytes(system.total_bytes)} available`];
  if (system.swap_total_bytes > 0) parts.push(`${formatBytes(system.swap_free_bytes)} of swap free`);
  if (system.pressure) parts.push(`pressure some ${system.pressure.some.avg10} % full ${system.pressure.full.avg10} %`);
  const [largest] = processes ?? [];
  if (largest) parts.push(`largest ${printable(largest.comm)} (pid ${largest.pid}) ${formatBytes(largest.rss_bytes)}`);
  return `${time.slice(11, 23)}Z ${parts.join(', ')}`;
}
