/** The fields under "Mem-Info:": the system, its nodes and zones, free blocks, huge pages, swap and slabs. */
import type { OomReport, ReportMemory, ReportZone } from '../../model/oom-report.ts';
import { formatBytes } from '../../text/format.ts';
import { printable } from '../../text/printable.ts';
import {
  ALL_UNRECLAIMABLE,
  LOWMEM_RESERVE,
  MIGRATE_TYPES,
  meaningOfMemory,
  meaningOfZone,
} from '../glossary/memory.ts';
import { type Field, type FieldGroup, plainField, size } from './field.ts';

export function memoryFields({ memory, page_bytes }: OomReport): FieldGroup[] {
  if (!memory) return [];
  return [
    { title: 'Memory of the machine', fields: [...sizes(memory.totals), ...ram(memory)] },
    { title: 'Swap', fields: swap(memory) },
    ...memory.nodes.map(({ node, values }) => ({ title: `Node ${node}`, fields: sizes(values) })),
    ...memory.zones.map((zone) => ofZone(zone)),
    ...memory.zones.map((zone) => ofBlocks(zone, page_bytes)),
    { title: 'Huge pages', fields: hugePages(memory) },
    { title: 'Unreclaimable slab caches', fields: slabs(memory) },
  ];
}

const sizes = (values: Readonly<Record<string, number>>): Field[] =>
  Object.entries(values).flatMap(([name, bytes]) => size(printable(name), bytes, meaningOfMemory(name) ?? ''));

const ram = (memory: ReportMemory): Field[] => [
  ...size('total pagecache pages', memory.page_cache_bytes, 'page cache in all, with tmpfs and swap cache'),
  ...size('pages RAM', memory.ram_bytes, 'memory of the machine'),
  ...size('pages HighMem/MovableOnly', memory.highmem_bytes, 'the part in high memory or for movable pages only'),
  ...size('pages reserved', memory.reserved_bytes, 'the part that the kernel keeps for itself from boot on'),
  ...size('pages cma reserved', memory.cma_reserved_bytes, 'the part that is reserved for CMA'),
  ...size('pages hwpoisoned', memory.hwpoisoned_bytes, 'the part that is out of use because of hardware errors'),
];

function swap(memory: ReportMemory): Field[] {
  const stats = memory.swap_cache_stats;
  return [
    ...size(
      'Total swap',
      memory.swap_total_bytes,
      memory.swap_total_bytes === 0 ? 'the machine has no swap' : 'size of swap',
    ),
    ...size('Free swap', memory.swap_free_bytes, 'the part that is not in use'),
    ...size('pages in swap cache', memory.swap_cache_bytes, 'pages that are both in memory and in swap'),
    ...plainField(
      'swap cache: add, delete',
      stats && `${stats.added}, ${stats.deleted}`,
      'pages put there and removed since boot',
    ),
    ...plainField(
      'swap cache: find',
      stats && `${stats.found} of ${stats.sought}`,
      'look-ups that found the page there',
    ),
  ];
}

function ofZone(zone: ReportZone): FieldGroup {
  const { lowmem_reserve_bytes: reserve, all_unreclaimable: none } = zone;
  return {
    title: `Zone ${zone.name} of node ${zone.node}: ${meaningOfZone(zone.name) ?? 'unknown'}`,
    fields: [
      ...sizes(zone.values),
      ...plainField('lowmem_reserve[]', reserve?.map(formatBytes).join(', '), LOWMEM_RESERVE),
      ...plainField('all_unreclaimable?', none === null ? null : none ? 'yes' : 'no', ALL_UNRECLAIMABLE),
    ],
  };
}

function ofBlocks({ node, name, free_blocks, free_block_types }: ReportZone, pageBytes: number): FieldGroup {
  const fields = (free_blocks ?? []).map((count, order) => {
    const types = [...(free_block_types?.[order] ?? '')].map(
      (letter) => `${letter} ${MIGRATE_TYPES[letter] ?? 'unknown'}`,
    );
    return {
      name: `order ${order}, ${formatBytes(2 ** order * pageBytes)}`,
      value: `${count} free`,
      meaning: types.join('; '),
    };
  });
  return { title: `Free blocks of zone ${name} of node ${node}`, fields };
}

const hugePages = ({ hugepages }: ReportMemory): Field[] =>
  hugepages.map(({ node, size_bytes, total, free, surplus }) => ({
    name: `node ${node}, ${formatBytes(size_bytes)}`,
    value: `${total} total, ${free} free, ${surplus} surplus`,
    meaning:
      total === 0
        ? 'none reserved'
        : 'reserved for hugetlbfs; other requests cannot use them, even while they are free',
  }));

const slabs = ({ slabs: all }: ReportMemory): Field[] =>
  all.map(({ name, used_bytes, total_bytes }) => ({
    name: printable(name),
    value: `${formatBytes(used_bytes)} of ${formatBytes(total_bytes)}`,
    meaning: 'in use, of the memory of the cache',
  }));
