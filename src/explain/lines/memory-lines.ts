/**
 * Parses the lines under "Mem-Info:", which show_mem() prints: mm/show_mem.c (before 6.4 mm/page_alloc.c and
 * lib/show_mem.c), mm/hugetlb.c, mm/swap_state.c, mm/slab_common.c.
 */
import { int, units } from './digits.ts';

type Groups = Record<string, string | undefined>;

type Count = 'page_cache' | 'swap_cache' | 'ram' | 'reserved' | 'highmem' | 'cma_reserved' | 'hwpoisoned';

/** Sizes have the unit of the log: pages in fields named `pages`, KiB in fields whose name ends in `kib` or `Kib`. */
export type MemoryLine =
  | { of: 'title' }
  | { of: 'totals'; pages: Record<string, number> }
  | { of: 'node'; node: number; kib: Record<string, number>; allUnreclaimable: boolean | null }
  | { of: 'zone'; node: number; zone: string; kib: Record<string, number>; allUnreclaimable: boolean | null }
  | { of: 'reserve'; pages: number[] }
  | { of: 'buddy'; node: number; zone: string; blocks: number[]; types: string[]; unitKib: number; totalKib: number }
  | { of: 'hugepages'; node: number; total: number; free: number; surplus: number; sizeKib: number }
  | { of: 'count'; what: Count; pages: number }
  | { of: 'swap_cache_stats'; added: number; deleted: number; found: number; sought: number }
  | { of: 'swap'; what: 'free' | 'total'; kib: number }
  | { of: 'slabs' }
  | { of: 'slab'; name: string; usedKib: number; totalKib: number }
  | { of: 'other' };

const ZONE = /^(?:Node (?<node>\d+) )?(?<zone>DMA32|DMA|Normal|HighMem|Movable|Device) (?<pairs>free:\d+kB .*)$/s;
const NODE = /^Node (?<node>\d+) (?<pairs>active_anon:\d+kB .*)$/s;
const BUDDY =
  /^(?:Node (?<node>\d+) )?(?<zone>DMA32|DMA|Normal|HighMem|Movable|Device): (?<blocks>\d+\*\d+kB .*)= (?<total>\d+)kB\s*$/;
/** Totals of the system: "active_anon:100 inactive_anon:50". A copied log may have wrapped this line. */
const TOTALS =
  /^\s*(?:(?:in)?active(?:_anon|_file)?:\d+|isolated_(?:anon|file):\d+|(?:unevictable|dirty|writeback|unstable|slab_reclaimable|slab_unreclaimable|mapped|shmem|pagetables|sec_pagetables|bounce|kernel_misc_reclaimable|free|free_pcp|free_cma|zspages|slab|balloon_pages|gpu_active|gpu_reclaim):\d+)(?: +[a-z_]+:\d+)*\s*$/;
const RESERVE = /^lowmem_reserve\[\]:(?<pages>(?: \d+)+)\s*$/;
const HUGE =
  /^(?:Node (?<node>\d+) )?hugepages_total=(?<total>\d+) hugepages_free=(?<free>\d+) hugepages_surp=(?<surplus>\d+) hugepages_size=(?<size>\d+)kB\s*$/;
const COUNT =
  /^(?<pages>\d+) (?<what>total pagecache pages|pages in swap cache|pages swap cached|pages (?:of )?RAM|pages reserved|reserved pages|pages HighMem(?:\/MovableOnly)?|pages cma reserved|pages hwpoisoned)\s*$/;
const SWAP_CACHE =
  /^Swap cache stats: add (?<added>\d+), delete (?<deleted>\d+), find (?<found>\d+)\/(?<sought>\d+)\s*$/;
const SWAP = /^(?<what>Free|Total) swap\s*[=:]\s*(?<kib>\d+)kB\s*$/;
const SLAB = /^(?<name>\S.*?) +(?<used>\d+)KB +(?<total>\d+)KB\s*$/;
const OTHER =
  /^(?:Node \d+ )?(?:DMA|DMA32|Normal|HighMem|Movable|Device) per-cpu:|^CPU +\d+: *(?:hi|Hot):|^Swap cache stats:|^\d+ pages (?:shared|non-shared|in pagetable cache|slab)|^\d+ pages non-shared/;
const COUNTS = {
  'total pagecache pages': 'page_cache',
  'pages in swap cache': 'swap_cache',
  'pages swap cached': 'swap_cache',
  'pages RAM': 'ram',
  'pages of RAM': 'ram',
  'pages reserved': 'reserved',
  'reserved pages': 'reserved',
  'pages HighMem': 'highmem',
  'pages HighMem/MovableOnly': 'highmem',
  'pages cma reserved': 'cma_reserved',
  'pages hwpoisoned': 'hwpoisoned',
} as const;

/** A machine without NUMA has only node 0, and the kernel does not print it. */
const nodeOf = (digits: string | undefined) => int(digits ?? '0');

/** The first kind whose pattern matches reads the line. */
const KINDS: readonly { pattern: RegExp; read: (groups: Groups, text: string) => MemoryLine | undefined }[] = [
  { pattern: /^Mem-[Ii]nfo:/, read: () => ({ of: 'title' }) },
  {
    pattern: NODE,
    read: ({ node, pairs: values }, text) => ({
      of: 'node',
      node: nodeOf(node),
      kib: pairs(values),
      allUnreclaimable: unreclaimable(text),
    }),
  },
  {
    pattern: ZONE,
    read: ({ node, zone = '', pairs: values }, text) => ({
      of: 'zone',
      node: nodeOf(node),
      zone,
      kib: pairs(values),
      allUnreclaimable: unreclaimable(text),
    }),
  },
  { pattern: BUDDY, read: buddyList },
  { pattern: TOTALS, read: (_, text) => ({ of: 'totals', pages: pairs(text) }) },
  {
    pattern: RESERVE,
    read: ({ pages = '' }) => ({ of: 'reserve', pages: pages.trim().split(' ').map(units) }),
  },
  {
    pattern: HUGE,
    read: ({ node, total, free, surplus, size }) => ({
      of: 'hugepages',
      node: nodeOf(node),
      total: int(total),
      free: int(free),
      surplus: int(surplus),
      sizeKib: units(size),
    }),
  },
  {
    pattern: COUNT,
    read: ({ what, pages }) => ({ of: 'count', what: COUNTS[what as keyof typeof COUNTS], pages: units(pages) }),
  },
  {
    pattern: SWAP,
    read: ({ what, kib }) => ({ of: 'swap', what: what === 'Free' ? 'free' : 'total', kib: units(kib) }),
  },
  {
    pattern: SWAP_CACHE,
    read: ({ added, deleted, found, sought }) => ({
      of: 'swap_cache_stats',
      added: int(added),
      deleted: int(deleted),
      found: int(found),
      sought: int(sought),
    }),
  },
  { pattern: /^Unreclaimable slab info:/, read: () => ({ of: 'slabs' }) },
  {
    pattern: SLAB,
    read: ({ name = '', used, total }) => ({ of: 'slab', name, usedKib: units(used), totalKib: units(total) }),
  },
  { pattern: OTHER, read: () => ({ of: 'other' }) },
];

export function parseMemoryLine(text: string): MemoryLine | undefined {
  for (const { pattern, read } of KINDS) {
    const match = pattern.exec(text);
    if (match) return read(match.groups ?? {}, text);
  }
  return undefined;
}

/** Parses "free:15360kB min:28kB" or "free:1234 free_pcp:0". */
function pairs(text = ''): Record<string, number> {
  const values: Record<string, number> = {};
  for (const [, key = '', part, digits] of text.matchAll(PAIR)) {
    values[part === undefined ? key.toLowerCase() : `${key}_${part}`] = units(digits);
  }
  return values;
}

const PAIR = /([A-Za-z_]+)(?:\((anon|file)\))?:(\d+)(?:[kK]B)?(?= |$)/gm;

function unreclaimable(text: string): boolean | null {
  const word = /all_unreclaimable\? (yes|no)/.exec(text)?.[1];
  return word === undefined ? null : word === 'yes';
}

/**
 * Parses "1*4kB (U) 0*8kB …": the number of free blocks of each order, from order 0, and the letters of their migrate
 * types. The kernel prints every order.
 */
function buddyList({ node, zone = '', blocks = '', total }: Groups): MemoryLine | undefined {
  const list = [...blocks.matchAll(/(\d+)\*(\d+)kB(?: \(([A-Z]*)\))?/g)].map(([, count, kib, types = '']) => ({
    count: int(count),
    kib: units(kib),
    types,
  }));
  const unitKib = list[0]?.kib ?? 0;
  if (unitKib === 0 || !list.every(({ kib }, order) => kib === unitKib * 2 ** order)) return undefined;
  return {
    of: 'buddy',
    node: nodeOf(node),
    zone,
    blocks: list.map(({ count }) => count),
    types: list.map(({ types }) => types),
    unitKib,
    totalKib: units(total),
  };
}
