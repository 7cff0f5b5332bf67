/** Why the allocation failed: whose limit, which zone, which nodes, which order. */

import type { ReportCause, ReportZone } from '../../model/oom-report.ts';
import { formatBytes } from '../../text/format.ts';
import { printable } from '../../text/printable.ts';
import type { ReportFacts } from '../report/facts.ts';
import { nodeList } from '../report/nodes.ts';

export interface Cause {
  cause: ReportCause;
  why: string;
}

export function causeOf(report: ReportFacts): Cause {
  const { trigger, scope } = report;
  if (trigger?.order === -1)
    return {
      cause: 'sysrq',
      why: 'somebody pressed SysRq-f (or wrote f to /proc/sysrq-trigger); no allocation had failed.',
    };
  switch (scope) {
    case 'cgroup':
      return ofLimit(report);
    case 'cpuset':
      return ofNodes(report, 'cpuset', trigger?.mems_allowed ?? null);
    case 'mempolicy':
      return ofNodes(report, 'mempolicy', report.nodemask);
    case 'system':
      return ofZones(report);
    default:
      if (report.panic !== null)
        return { cause: 'unknown', why: `${printable(report.panic)}; what ran out is not in the log.` };
      return { cause: 'unknown', why: 'the log has the kill, and not what led to it.' };
  }
}

function ofLimit({ limit, victim }: ReportFacts): Cause {
  const own = victim?.cgroup ?? null;
  const path = limit?.path ?? null;
  const above = path !== null && own !== null && own !== path;
  const name = path === null ? 'a cgroup' : `the cgroup ${printable(path)}`;
  const figures = limit?.limit_bytes == null ? '' : ` of ${formatBytes(limit.limit_bytes)}`;
  const used = limit?.usage_bytes == null ? '' : `, using ${formatBytes(limit.usage_bytes)}`;
  const times = limit?.fail_count ? `; it had run into it ${limit.fail_count} times` : '';
  const both = limit?.memory_and_swap_limit_bytes ?? null;
  const swap =
    both !== null && limit?.memory_and_swap_bytes === both && (limit.limit_bytes === null || both < limit.limit_bytes);
  const which = swap ? `limit of memory and swap together, ${formatBytes(both)}` : `limit${figures}`;
  const level = above ? `, which is above the victim’s own, ${printable(own)},` : '';
  return {
    cause: above ? 'ancestor_limit' : 'cgroup_limit',
    why: `${name}${level} reached its ${which}${used}${times}.`,
  };
}

function ofNodes({ memory, trigger }: ReportFacts, cause: 'cpuset' | 'mempolicy', allowed: string | null): Cause {
  const nodes = nodeList(allowed);
  const others = memory?.zones.filter(({ node }) => !nodes.has(node)) ?? [];
  const free = others.reduce((sum, zone) => sum + zone.free_bytes, 0);
  const elsewhere = others.length > 0 ? `, while the other nodes had ${formatBytes(free)} free` : '';
  const by =
    cause === 'cpuset' ? `its cpuset${trigger?.cpuset ? ` ${printable(trigger.cpuset)}` : ''}` : 'its memory policy';
  return {
    cause,
    why: `${by} allows memory of node ${printable(allowed ?? '?')} only, and that was full${elsewhere}.`,
  };
}

/** Zones in the order in which an allocation falls back. */
const RANK = ['DMA', 'DMA32', 'Normal', 'HighMem', 'Movable'];

/** include/linux/gfp.h, gfp_zone(): the highest zone that a request may take from. */
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

function ofZones({ memory, trigger }: ReportFacts): Cause {
  const zones = memory?.zones ?? [];
  if (zones.length === 0) return { cause: 'unknown', why: 'the system ran out of memory; the log lacks the zones.' };
  const highest = RANK.indexOf(highestZone(trigger?.gfp ?? null, zones));
  const usable = zones.filter(({ name }) => RANK.indexOf(name) <= highest);
  const order = trigger?.order ?? 0;
  const reserve = (zone: ReportZone) => {
    // Indexed by zone type, of those that the kernel is built with; the table then is as long as the highest zone.
    const table = zone.lowmem_reserve_bytes ?? [];
    return table[Math.min(highest, table.length - 1)] ?? 0;
  };
  const above = usable.filter((zone) => zone.free_bytes > zone.min_bytes + reserve(zone));
  const biggest = (list: readonly ReportZone[]) =>
    list.toSorted((a, b) => (b.managed_bytes ?? b.present_bytes ?? 0) - (a.managed_bytes ?? a.present_bytes ?? 0))[0];
  const zone = biggest(usable);
  if (!zone) return { cause: 'unknown', why: 'the request may use none of the zones that the log has.' };
  const label = ({ node, name }: ReportZone) => `zone ${name} of node ${node}`;
  const figures = `${label(zone)} has ${formatBytes(zone.free_bytes)} free and a minimum of ${formatBytes(zone.min_bytes)}`;
  const others = zones.filter((other) => !usable.includes(other) && other.free_bytes > other.high_bytes);
  if (above.length === 0) {
    const narrow =
      others.length > 0 ? `; the request may not use ${others.map(label).join(', ')}, where there is memory` : '';
    const cause = others.length > 0 ? 'zone' : 'watermark';
    return {
      cause,
      why: `every zone that the request could use was below its minimum watermark: ${figures}${narrow}.`,
    };
  }
  const lacking = above.filter(({ free_blocks }) => free_blocks?.slice(order).every((count) => count === 0));
  if (order > 0 && lacking.length === above.length) {
    const size = formatBytes(2 ** order * 4096);
    const most = biggest(above) as ReportZone;
    return {
      cause: 'fragmentation',
      why: `memory is fragmented: ${label(most)} has ${formatBytes(most.free_bytes)} free, and not one block of order ${order} (${size}) in it.`,
    };
  }
  return {
    cause: 'watermark',
    why: `the request found no memory; by the time of the report some had come back: ${figures}.`,
  };
}
