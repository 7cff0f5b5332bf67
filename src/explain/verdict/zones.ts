/** Finds why an allocation failed without a cgroup limit, by the zones of the report (__zone_watermark_ok()). */
import type { ReportCause, ReportZone } from '../../model/oom-report.ts';
import { formatBytes } from '../../text/format.ts';
import { nodeList } from '../report/nodes.ts';
import type { ReportFacts } from '../report/report-facts.ts';

interface Finding {
  cause: ReportCause;
  why: string;
}

/** The zones from lowest to highest. An allocation that finds no memory in a zone tries the next lower one. */
const RANK = ['DMA', 'DMA32', 'Normal', 'HighMem', 'Movable'];

const flagsOf = (gfp: string | null) => new Set(gfp?.split('|') ?? []);

/** include/linux/gfp.h, gfp_migratetype(): only movable requests may use the pages of CMA. */
export const isMovable = (gfp: string | null) =>
  [...flagsOf(gfp)].some(
    (name) => name === 'GFP_HIGHUSER_MOVABLE' || name === '__GFP_MOVABLE' || name.startsWith('GFP_TRANSHUGE'),
  );

/** include/linux/gfp.h, gfp_zone(): the highest zone that a request may use. */
function highestZone(gfp: string | null, zones: readonly ReportZone[]): string {
  const names = flagsOf(gfp);
  if (names.has('GFP_DMA') || names.has('__GFP_DMA')) return 'DMA';
  if (names.has('GFP_DMA32') || names.has('__GFP_DMA32')) return 'DMA32';
  const high = [...names].some(
    (name) => name.startsWith('GFP_HIGHUSER') || name === '__GFP_HIGHMEM' || name.startsWith('GFP_TRANSHUGE'),
  );
  if (high && isMovable(gfp)) return 'Movable';
  return high || !zones.some(({ name }) => name === 'HighMem') ? 'HighMem' : 'Normal';
}

/** The zones that the request may take memory from. */
export function usableZones({ memory, trigger, scope, nodemask, evidence }: ReportFacts): ReportZone[] {
  const zones = memory?.zones ?? [];
  const highest = RANK.indexOf(highestZone(trigger?.gfp ?? null, zones));
  const mask = scope === 'mempolicy' ? nodemask : scope === 'cpuset' ? evidence.mems : null;
  const nodes = mask === null ? null : nodeList(mask);
  return zones.filter(({ name, node }) => RANK.indexOf(name) <= highest && (nodes === null || nodes.has(node)));
}

/** What a request must leave free in a zone, beside the watermark, because it could use a higher zone. */
function reserveOf({ lowmem_reserve_bytes: table }: ReportZone, { memory, trigger }: ReportFacts): number {
  const highest = RANK.indexOf(highestZone(trigger?.gfp ?? null, memory?.zones ?? []));
  // The table has one entry for each zone type that the kernel is built with; the last one is for the highest zone.
  return table?.[Math.min(highest, table.length - 1)] ?? 0;
}

/** The usable zones with enough free memory for the request: only there it matters which blocks are free. */
export const zonesAbove = (report: ReportFacts): ReportZone[] =>
  usableZones(report).filter(
    (one) => usableFree(one, report.trigger?.gfp ?? null) > one.min_bytes + reserveOf(one, report),
  );

const label = ({ node, name }: ReportZone) => `zone ${name} of node ${node}`;

const largest = (list: readonly ReportZone[]) =>
  list.toSorted((a, b) => (b.managed_bytes ?? b.present_bytes ?? 0) - (a.managed_bytes ?? a.present_bytes ?? 0))[0];

/**
 * Free bytes that a request may not use: CMA pages, unless the request is movable, and the reserve for atomic requests.
 */
function heldBack(zone: ReportZone, gfp: string | null): { cma: number; atomic: number } {
  const cma = isMovable(gfp) ? 0 : (zone.values.free_cma ?? 0);
  const atomic = zone.values.free_highatomic ?? zone.values.reserved_highatomic ?? 0;
  return { cma: Math.min(cma, zone.free_bytes), atomic: Math.min(atomic, zone.free_bytes) };
}

function usableFree(zone: ReportZone, gfp: string | null): number {
  const { cma, atomic } = heldBack(zone, gfp);
  return Math.max(0, zone.free_bytes - cma - atomic);
}

export function ofZones(report: ReportFacts): Finding {
  const { memory, trigger, page_bytes } = report;
  const zones = memory?.zones ?? [];
  if (zones.length === 0) {
    return { cause: 'unknown', why: 'the system ran out of memory; the log lacks the figures of the zones.' };
  }
  const gfp = trigger?.gfp ?? null;
  const usable = usableZones(report);
  const zone = largest(usable);
  if (!zone) return { cause: 'unknown', why: 'the log lacks the zones that the request could use.' };
  const reserve = (one: ReportZone) => reserveOf(one, report);
  const above = zonesAbove(report);
  if (above.length === 0) {
    const kept = usable.filter((one) => one.free_bytes > one.min_bytes + reserve(one));
    return kept.length > 0 ? allKept(largest(kept) as ReportZone, gfp) : allLow(zones, usable, zone);
  }
  const order = trigger?.order ?? 0;
  const lacking = above.filter(({ free_blocks }) => free_blocks?.slice(order).every((count) => count === 0));
  const most = largest(above) as ReportZone;
  if (order > 0 && lacking.length === above.length) {
    const size = formatBytes(2 ** order * page_bytes);
    const why = `memory is fragmented: ${label(most)} had ${formatBytes(most.free_bytes)} free, but no free block of order ${order} (${size}).`;
    return { cause: 'fragmentation', why };
  }
  if (above.some((one) => usableFree(one, gfp) > one.high_bytes + reserve(one))) return noShortage(most, gfp, order);
  return {
    cause: 'watermark',
    why: `free memory was down to the watermarks: ${figuresOf(zone)}; a little more was free when the report was written.`,
  };
}

function figuresOf(zone: ReportZone): string {
  const [free, least] = apart(zone.free_bytes, zone.min_bytes);
  return `${label(zone)} had ${free} free, its minimum is ${least}`;
}

/** Formats two sizes; in KiB when they differ but would look the same. */
function apart(one: number, other: number): [string, string] {
  const words: [string, string] = [formatBytes(one), formatBytes(other)];
  return words[0] !== words[1] || one === other ? words : [`${one / 1024} KiB`, `${other / 1024} KiB`];
}

function allKept(zone: ReportZone, gfp: string | null): Finding {
  const { cma, atomic } = heldBack(zone, gfp);
  const parts = [
    cma > 0 ? `${formatBytes(cma)} are CMA pages, which serve movable requests only` : '',
    atomic > 0 ? `${formatBytes(atomic)} are reserved for atomic requests` : '',
  ].filter((part) => part !== '');
  const [left, least] = apart(usableFree(zone, gfp), zone.min_bytes);
  return {
    cause: 'reserved',
    why: `this request could not use most of the free memory: of ${formatBytes(zone.free_bytes)} free in ${label(zone)}, ${parts.join(' and ')}; ${left} were left, and the minimum is ${least}.`,
  };
}

function noShortage(zone: ReportZone, gfp: string | null, order: number): Finding {
  const size = order > 0 ? ` The request was for a block of order ${order}.` : '';
  return {
    cause: 'no_shortage',
    why: `the report shows no shortage of memory: ${label(zone)} had ${formatBytes(usableFree(zone, gfp))} that the request could use, above its high watermark of ${formatBytes(zone.high_bytes)}.${size}`,
  };
}

function allLow(zones: readonly ReportZone[], usable: readonly ReportZone[], zone: ReportZone): Finding {
  const others = zones.filter((one) => !usable.includes(one) && one.free_bytes > one.high_bytes);
  const narrow =
    others.length > 0 ? `; ${others.map(label).join(', ')} had memory, but the request could not use it` : '';
  return {
    cause: others.length > 0 ? 'zone' : 'watermark',
    why: `every zone that the request could use was at or below its minimum watermark: ${figuresOf(zone)}${narrow}.`,
  };
}
