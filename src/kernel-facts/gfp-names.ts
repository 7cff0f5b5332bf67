/**
 * Converts GFP masks to names, as the kernel prints them. It does not need a running kernel, so the log parser can use
 * it.
 */

/** The bit of each flag by its name without `__GFP_`: `{ IO: 0x40 }`. */
export type GfpBits = Readonly<Record<string, number>>;

/** Names for combinations of flags, the largest first, in the order of include/trace/events/mmflags.h. */
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
  ['GFP_NOWAIT', ['KSWAPD_RECLAIM', 'NOWARN']], // before 6.7 only KSWAPD_RECLAIM; never an OOM kill
  ['GFP_DMA', ['DMA']],
  ['GFP_DMA32', ['DMA32']],
];

/**
 * Returns "GFP_KERNEL|__GFP_COMP" for 0x40cc0: first names of combinations, then single flags in the order of their
 * bits, as recent kernels print them (kernels up to 6.12 use another order). Bits without a name are added as one
 * number.
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
