/** Says whether memory was too fragmented for the request, by the lists of free blocks (mm/show_mem.c: show_free_areas). */
import type { ReportCause, ReportFragmentation, ReportZone } from '../../model/oom-report.ts';
import { formatBytes } from '../../text/format.ts';
import type { ReportFacts } from '../report/report-facts.ts';
import { isMovable, usableZones, zonesAbove } from './zones.ts';

type Zone = ReportFragmentation['zones'][number];

export function fragmentationOf(report: ReportFacts, cause: ReportCause): ReportFragmentation {
  const { trigger, memory, page_bytes } = report;
  const order = trigger?.order ?? null;
  const asked = order !== null && order >= 0 ? order : null;
  const gfp = trigger?.gfp ?? null;
  const all = memory?.zones ?? [];
  const usable = new Set(usableZones(report));
  const listed = all.filter(({ free_blocks }) => free_blocks !== null);
  const zones = listed.map((zone) => judged(zone, asked, usable.has(zone), gfp, page_bytes));
  const of = (state: ReportFragmentation['state'], text: string) => ({ state, text, zones });
  if (zones.length === 0) return withoutLists(report, cause);
  if (order === -1)
    return of('no_part', 'Fragmentation played no part: SysRq-f invoked the OOM killer, no request did.');
  if (asked === null) {
    return of('unknown', 'The log does not have the order of the request, so fragmentation cannot be judged.');
  }
  const own = zones.filter((zone) => zone.usable);
  const above = zonesAbove(report).map(({ node, name }) => `${node} ${name}`);
  const considered =
    cause === 'fragmentation' ? own.filter(({ node, name }) => above.includes(`${node} ${name}`)) : own;
  const where = cause === 'fragmentation' ? 'in the zones with enough free memory' : 'in the zones that it could use';
  const most = considered.reduce<number | null>(
    (best, { largest_order: one }) => (one === null ? best : Math.max(best ?? 0, one)),
    null,
  );
  const largest =
    most === null
      ? `no block was free ${where}`
      : `the largest free block ${where} was of order ${most} (${formatBytes(2 ** most * page_bytes)})`;
  if (asked === 0) {
    return of('no_part', `Fragmentation played no part: the request was for a single page; ${largest}.`);
  }
  const size = `order ${asked} (${formatBytes(2 ** asked * page_bytes)})`;
  if (cause === 'fragmentation') {
    return of('cause', `Memory was fragmented: the request was for a block of ${size}; ${largest}.`);
  }
  const fit = own.reduce((sum, { large_enough }) => sum + (large_enough ?? 0), 0);
  if (fit > 0) {
    return of(
      'no_part',
      `Fragmentation was not the obstacle: ${fit} free blocks of ${size} or larger were in the zones that the request could use.`,
    );
  }
  return of(
    'contributed',
    `Memory was fragmented as well: the request was for a block of ${size}, and the zones that it could use had no such free block for it.`,
  );
}

function withoutLists({ scope, trigger }: ReportFacts, cause: ReportCause): ReportFragmentation {
  const reasons: [boolean, string][] = [
    [scope === 'cgroup', 'a limit ran out, not the memory of the machine'],
    [cause === 'sysrq', 'SysRq-f invoked the OOM killer, no request did'],
    [cause === 'page_fault', 'a page fault was refused, not a request for memory'],
    [trigger?.order === 0, 'the request was for a single page'],
  ];
  const why = reasons.find(([holds]) => holds)?.[1];
  if (why !== undefined) return { state: 'no_part', text: `Fragmentation played no part: ${why}.`, zones: [] };
  const text = 'The log does not have the lists of free blocks, so fragmentation cannot be judged.';
  return { state: 'unknown', text, zones: [] };
}

/** @param asked the order of the request; null: unknown */
function judged(zone: ReportZone, asked: number | null, usable: boolean, gfp: string | null, pageBytes: number): Zone {
  const blocks = zone.free_blocks ?? [];
  const free = blocks.reduce((sum, count, order) => sum + count * 2 ** order, 0) * pageBytes;
  const largest = blocks.findLastIndex((count) => count > 0);
  const { node, name, free_block_types: types } = zone;
  const base = { node, name, usable, largest_order: largest < 0 ? null : largest };
  if (asked === null) return { ...base, large_enough: null, too_small_share: null };
  const small = blocks.slice(0, asked).reduce((sum, count, order) => sum + count * 2 ** order, 0) * pageBytes;
  const fit = blocks.reduce((sum, count, order) => {
    return order < asked || isKept(types?.[order] ?? '', gfp) ? sum : sum + count;
  }, 0);
  return { ...base, large_enough: fit, too_small_share: free === 0 ? null : small / free };
}

/**
 * True when every free block of an order is of a migrate type that the request may not use: H is reserved for atomic
 * requests, I is isolated, and C (CMA) serves movable requests only (mm/show_mem.c: show_migration_types).
 */
const isKept = (types: string, gfp: string | null) =>
  types !== '' && [...types].every((type) => type === 'H' || type === 'I' || (type === 'C' && !isMovable(gfp)));
