import type { Sample } from '../model/sample.ts';
import { formatBytes } from '../text/format.ts';
import { printable } from '../text/printable.ts';

/** A recorded sample as one line: free memory and swap, pressure, and the largest process. */
export function sampleLine({ time, system, processes }: Sample): string {
  const parts = [`${formatBytes(system.available_bytes)} available`];
  if (system.swap_total_bytes > 0) parts.push(`swap ${formatBytes(system.swap_free_bytes)} free`);
  if (system.pressure) {
    const [some, full] = [system.pressure.some.avg10, system.pressure.full.avg10];
    parts.push(`some ${some.toFixed(1)} % full ${full.toFixed(1)} %`);
  }
  const [largest] = processes ?? [];
  if (largest) parts.push(`${printable(largest.comm)} ${formatBytes(largest.rss_bytes)}`);
  return `${time.slice(11, 21)}Z ${parts.join(', ')}`;
}
