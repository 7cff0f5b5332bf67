/** Why an allocation of the system failed, by the zones of the report (mm/page_alloc.c: __zone_watermark_ok). */
import type { ReportCause, ReportZone } from '../../model/oom-report.ts';
import { formatBytes } from '../../text/format.ts';
import type { ReportFacts } from '../report/report-facts.ts';

interface Finding {
  cause: ReportCause;
  why: string;
}

/** Zones in the order in which an allocation falls back, from the last resort up. */
const RANK = ['DMA', 'DMA32', 'Normal', 'HighMem', 'Movable'];

/** include/linux/gfp.h, gfp_zone(): the highest zone that a request may use. */
function highestZone(gfp: string | null, zones: readonly ReportZone[]): string {
  const names = new Set(gfp?.split('|') ?? []);
  if (names.has('GFP_DMA') || names.has('__GFP_DMA')) return 'DMA';
  if (names.has('GFP_DMA32') || names.has('__GFP_DMA32')) return 'DMA32';
  const high = [...names].some(
    (name) => name.startsWith('GFP_HIGHUSER') || name === '__GFP_HIGHMEM' || name.startsWith('GFP_TRANSHUGE'),
  );
  const movable = [...names].some(
    (name) => name === 'GFP_HIGHUSER_MOVABLE' || name === '__GFP_MOVABLE' || name.startsWith('GFP_TRANSHUGE'),
  );
  if (high && movable) return 'Movable';
  return high || !zones.some(({ name }) => name === 'HighMem') ? 'HighMem' : 'Normal';
}

const label = ({ node, name }: ReportZone) => `zone ${name} of node ${node}`;

const largest = (list: readonly ReportZone[]) =>
  list.toSorted((a, b) => (b.managed_bytes ?? b.present_bytes ?? 0) - (a.managed_bytes ?? a.present_bytes ?? 0))[0];

export function ofZones({ memory, trigger, page_bytes }: ReportFacts): Finding {
  const zones = memory?.zones ?? [];
  if (zones.length === 0) {
    return { cause: 'unknown', why: 'the system ran out of memory; the log does not have the zones.' };
  }
  const highest = RANK.indexOf(highestZone(trigger?.gfp ?? null, zones));
  const usable = zones.filter(({ name }) => RANK.indexOf(name) <= highest);
  const zone = largest(usable);
  if (!zone) return { cause: 'unknown', why: 'the log has none of the zones that the request could use.' };
  const reserve = ({ lowmem_reserve_bytes: table }: ReportZone) => {
    // Indexed by zone type, of the types that the kernel is built with; its last entry is that of the highest zone.
    return table?.[Math.min(highest, table.length - 1)] ?? 0;
  };
  const above = usable.filter((one) => one.free_bytes > one.min_bytes + reserve(one));
  const figures = `${label(zone)} had ${formatBytes(zone.free_bytes)} free, its minimum is ${formatBytes(zone.min_bytes)}`;
  if (above.length === 0) return allLow(zones, usable, figures);
  const order = trigger?.order ?? 0;
  const lacking = above.filter(({ free_blocks }) => free_blocks?.slice(order).every((count) => count === 0));
  if (order > 0 && lacking.length === above.length) {
    const most = largest(above) as ReportZone;
    const size = formatBytes(2 ** order * page_bytes);
    const why = `memory is fragmented: ${label(most)} had ${formatBytes(most.free_bytes)} free, but no free block of order ${order} (${size}).`;
    return { cause: 'fragmentation', why };
  }
  return {
    cause: 'watermark',
    why: `the request found no memory; some was free again when the report was written: ${figures}.`,
  };
}

function allLow(zones: readonly ReportZone[], usable: readonly ReportZone[], figures: string): Finding {
  const others = zones.filter((one) => !usable.includes(one) && one.free_bytes > one.high_bytes);
  const narrow =
    others.length > 0 ? `; ${others.map(label).join(', ')} had memory, but the request could not use it` : '';
  return {
    cause: others.length > 0 ? 'zone' : 'watermark',
    why: `every zone that the request could use was below its minimum watermark: ${figures}${narrow}.`,
  };
}
