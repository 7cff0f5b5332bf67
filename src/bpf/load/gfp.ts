/**
 * The bits of GFP masks (allocation flags) of the running kernel. Since 6.10 they are an enum, which is in the kernel's
 * BTF. From 5.10 to 6.9 they were macros, with the same values in all versions.
 */
import type { GfpBits } from '../../kernel-facts/gfp-names.ts';
import type { Btf } from '../libbpf/index.ts';

/** The macros of include/linux/gfp.h (5.10) and gfp_types.h (up to 6.9). */
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

/** enum { ___GFP_DMA_BIT, … } of include/linux/gfp_types.h (6.10). It has no name, so its first value finds it. */
export function gfpBits(btf: Btf): GfpBits {
  const type = btf.enumStartingWith('___GFP_DMA_BIT');
  if (!type) return macros;
  const named = btf.enumValues(type).flatMap(({ name, value }) => {
    const short = /^___GFP_(\w+)_BIT$/.exec(name)?.[1];
    return short && !short.startsWith('UNUSED') && short !== 'LAST' ? [[short, 2 ** value] as const] : [];
  });
  return Object.fromEntries(named);
}
