/** Combines the lines of "Mem-Info:": nodes, zones, watermarks and free blocks, in bytes. */
import type { ReportMemory, ReportZone } from '../../model/oom-report.ts';
import type { MemoryLine } from '../lines/memory-lines.ts';

/** The possible page sizes of x86, arm64, ppc64 and sparc64, in KiB. */
const PAGE_KIB = [4, 8, 16, 64];

/**
 * The page size in bytes: the size of the smallest free block, or the ratio of a figure in KiB to the same figure in
 * pages. null: the report has neither.
 */
export function pageBytesOf(lines: readonly MemoryLine[]): number | null {
  for (const line of lines) if (line.of === 'buddy') return line.unitKib * 1024;
  const nodes = lines.filter((line) => line.of === 'node');
  for (const line of lines) {
    if (line.of !== 'totals' || nodes.length === 0) continue;
    for (const [name, pages] of Object.entries(line.pages)) {
      const kib = nodes.reduce((sum, node) => sum + (node.kib[name] ?? Number.NaN), 0);
      if (pages > 0 && PAGE_KIB.includes(kib / pages)) return (kib / pages) * 1024;
    }
  }
  return null;
}

/** null: the report has no Mem-Info. Most reports about a cgroup's limit have none. */
export function readMemory(lines: readonly MemoryLine[], pageBytes: number): ReportMemory | null {
  if (lines.length === 0) return null;
  const memory: ReportMemory = {
    ...{ totals: {}, nodes: [], zones: [], hugepages: [], slabs: [] },
    ...{ page_cache_bytes: null, swap_total_bytes: null, swap_free_bytes: null, swap_cache_bytes: null },
    ...{ ram_bytes: null, reserved_bytes: null, highmem_bytes: null, cma_reserved_bytes: null, hwpoisoned_bytes: null },
    swap_cache_stats: null,
  };
  let zone: ReportZone | undefined;
  for (const fact of lines) {
    switch (fact.of) {
      case 'totals':
        Object.assign(memory.totals, scaled(fact.pages, pageBytes));
        break;
      case 'node':
        memory.nodes.push({ node: fact.node, values: scaled(fact.kib, 1024) });
        break;
      case 'zone':
        zone = zoneOf(fact);
        memory.zones.push(zone);
        break;
      case 'reserve':
        if (zone) zone.lowmem_reserve_bytes = fact.pages.map((pages) => pages * pageBytes);
        break;
      case 'buddy':
        for (const one of memory.zones)
          if (one.node === fact.node && one.name === fact.zone) {
            one.free_blocks = fact.blocks;
            one.free_block_types = fact.types;
          }
        break;
      case 'hugepages': {
        const { node, sizeKib, total, free, surplus } = fact;
        memory.hugepages.push({ node, size_bytes: sizeKib * 1024, total, free, surplus });
        break;
      }
      case 'count':
        memory[`${fact.what}_bytes`] = fact.pages * pageBytes;
        break;
      case 'swap_cache_stats': {
        const { added, deleted, found, sought } = fact;
        memory.swap_cache_stats = { added, deleted, found, sought };
        break;
      }
      case 'swap':
        memory[`swap_${fact.what}_bytes`] = fact.kib * 1024;
        break;
      case 'slab':
        memory.slabs.push({ name: fact.name, used_bytes: fact.usedKib * 1024, total_bytes: fact.totalKib * 1024 });
        break;
    }
  }
  return memory;
}

function zoneOf({ node, zone, kib, allUnreclaimable }: Extract<MemoryLine, { of: 'zone' }>): ReportZone {
  const values = scaled(kib, 1024);
  return {
    ...{ node, name: zone },
    free_bytes: values.free ?? 0,
    min_bytes: values.min ?? 0,
    low_bytes: values.low ?? 0,
    high_bytes: values.high ?? 0,
    present_bytes: values.present ?? null,
    managed_bytes: values.managed ?? null,
    values,
    lowmem_reserve_bytes: null,
    free_blocks: null,
    free_block_types: null,
    all_unreclaimable: allUnreclaimable,
  };
}

/** Fields that count events; all others are sizes. */
const COUNTS = new Set(['pages_scanned', 'all_unreclaimable']);

function scaled(values: Record<string, number>, unit: number): Record<string, number> {
  return Object.fromEntries(
    Object.entries(values)
      .filter(([key]) => !COUNTS.has(key))
      .map(([key, value]) => [key, value * unit]),
  );
}
