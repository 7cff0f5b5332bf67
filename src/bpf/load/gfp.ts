/**
 * GFP masks as the kernel prints them. The bits differ by kernel: 6.10+ has them as an enum in its BTF; before that they
 * were macros, the same from 5.10 to 6.9.
 */
import type { Btf } from '../libbpf/index.ts';

/** Name to bit, as `{ IO: 0x40 }`. */
export type GfpBits = Readonly<Record<string, number>>;

/** include/linux/gfp.h (5.10) and gfp_types.h (to 6.9). */
const macros: GfpBits = {
  DMA: 0x1,
  HIGHMEM: 0x2,
  DMA32: 0x4,
  MOVABLE: 0x8,
  RECLAIMABLE: 0x10,
  HIGH: 0x20,
  IO: 0x40,
  FS: 0x80,
  ZERO: 0x100,
  ATOMIC: 0x200,
  DIRECT_RECLAIM: 0x400,
  KSWAPD_RECLAIM: 0x800,
  WRITE: 0x1000,
  NOWARN: 0x2000,
  RETRY_MAYFAIL: 0x4000,
  NOFAIL: 0x8000,
  NORETRY: 0x10000,
  MEMALLOC: 0x20000,
  COMP: 0x40000,
  NOMEMALLOC: 0x80000,
  HARDWALL: 0x100000,
  THISNODE: 0x200000,
  ACCOUNT: 0x400000,
};

/** enum { ___GFP_DMA_BIT, … } of include/linux/gfp_types.h, 6.10+. It has no name: it is found by one of its values. */
export function gfpBits(btf: Btf): GfpBits {
  const type = btf.enumStartingWith('___GFP_DMA_BIT');
  if (!type) return macros;
  const named = btf.enumValues(type).flatMap(({ name, value }) => {
    const short = /^___GFP_(\w+)_BIT$/.exec(name)?.[1];
    return short && !short.startsWith('UNUSED') && short !== 'LAST' ? [[short, 2 ** value] as const] : [];
  });
  return Object.fromEntries(named);
}

/** Compounds, widest first, as include/trace/events/mmflags.h lists them. */
const compounds: [string, string[]][] = [
  ['GFP_TRANSHUGE', ['IO', 'FS', 'HARDWALL', 'HIGHMEM', 'MOVABLE', 'COMP', 'NOMEMALLOC', 'NOWARN', 'DIRECT_RECLAIM']],
  ['GFP_TRANSHUGE_LIGHT', ['IO', 'FS', 'HARDWALL', 'HIGHMEM', 'MOVABLE', 'COMP', 'NOMEMALLOC', 'NOWARN']],
  ['GFP_HIGHUSER_MOVABLE', ['DIRECT_RECLAIM', 'KSWAPD_RECLAIM', 'IO', 'FS', 'HARDWALL', 'HIGHMEM', 'MOVABLE']],
  ['GFP_HIGHUSER', ['DIRECT_RECLAIM', 'KSWAPD_RECLAIM', 'IO', 'FS', 'HARDWALL', 'HIGHMEM']],
  ['GFP_USER', ['DIRECT_RECLAIM', 'KSWAPD_RECLAIM', 'IO', 'FS', 'HARDWALL']],
  ['GFP_KERNEL_ACCOUNT', ['DIRECT_RECLAIM', 'KSWAPD_RECLAIM', 'IO', 'FS', 'ACCOUNT']],
  ['GFP_KERNEL', ['DIRECT_RECLAIM', 'KSWAPD_RECLAIM', 'IO', 'FS']],
  ['GFP_NOFS', ['DIRECT_RECLAIM', 'KSWAPD_RECLAIM', 'IO']],
  ['GFP_ATOMIC', ['HIGH', 'KSWAPD_RECLAIM']],
  ['GFP_NOIO', ['DIRECT_RECLAIM', 'KSWAPD_RECLAIM']],
  ['GFP_NOWAIT', ['KSWAPD_RECLAIM', 'NOWARN']], // KSWAPD_RECLAIM alone before 6.7; it cannot run out of memory anyway
  ['GFP_DMA', ['DMA']],
  ['GFP_DMA32', ['DMA32']],
];

/**
 * "GFP_KERNEL|__GFP_COMP" for 0x40cc0: compounds, then single flags by bit, as kernels of late print them (those up to
 * 6.12 have the flags in another order). Bits without a name are given as a number.
 */
export function gfpNames(mask: number, bits: GfpBits, names = compounds): string {
  const parts: string[] = [];
  let rest = mask >>> 0;
  const take = (name: string, wanted: number) => {
    if (wanted === 0 || (rest & wanted) >>> 0 !== wanted) return;
    parts.push(name);
    rest = (rest & ~wanted) >>> 0;
  };
  for (const [name, flags] of names) take(name, flags.reduce((sum, flag) => sum | (bits[flag] ?? 0), 0) >>> 0);
  for (const [flag, bit] of Object.entries(bits)) take(`__GFP_${flag}`, bit);
  if (rest !== 0) parts.push(`0x${rest.toString(16)}`);
  return parts.length === 0 ? 'none' : parts.join('|');
}
