/**
 * Names for the GFP masks of kernels before 4.6, which print only the number. Linux 4.4 split __GFP_WAIT into
 * __GFP_DIRECT_RECLAIM and __GFP_KSWAPD_RECLAIM (include/linux/gfp.h of 2.6.32, 3.10 and 4.4).
 */
import { type GfpBits, gfpNames } from '../../kernel-facts/gfp-names.ts';

const common: GfpBits = {
  ...{ DMA: 0x1, HIGHMEM: 0x2, DMA32: 0x4, MOVABLE: 0x8, HIGH: 0x20, IO: 0x40, FS: 0x80, COLD: 0x100, NOWARN: 0x200 },
  ...{ REPEAT: 0x400, NOFAIL: 0x800, NORETRY: 0x1000, MEMALLOC: 0x2000, COMP: 0x4000, ZERO: 0x8000 },
  ...{ NOMEMALLOC: 0x10000, HARDWALL: 0x20000, THISNODE: 0x40000, NOTRACK: 0x200000, OTHER_NODE: 0x800000 },
  WRITE: 0x1000000,
};
const until43: GfpBits = { ...common, WAIT: 0x10, RECLAIMABLE: 0x80000, KMEMCG: 0x100000, NO_KSWAPD: 0x400000 };
const from44: GfpBits = {
  ...common,
  ...{ RECLAIMABLE: 0x10, ATOMIC: 0x80000, ACCOUNT: 0x100000, DIRECT_RECLAIM: 0x400000, KSWAPD_RECLAIM: 0x2000000 },
};

const user = ['IO', 'FS', 'HARDWALL'];
const compoundsOf = (wait: string[]): [string, string[]][] => [
  ['GFP_HIGHUSER_MOVABLE', [...wait, ...user, 'HIGHMEM', 'MOVABLE']],
  ['GFP_HIGHUSER', [...wait, ...user, 'HIGHMEM']],
  ['GFP_USER', [...wait, ...user]],
  ['GFP_TEMPORARY', [...wait, 'IO', 'FS', 'RECLAIMABLE']],
  ['GFP_KERNEL', [...wait, 'IO', 'FS']],
  ['GFP_NOFS', [...wait, 'IO']],
  ['GFP_NOIO', wait],
];

/**
 * @param mask such as "0x201da"
 * @param kernel such as "3.10.0-1160.el7"; null: unknown
 * @returns null: the kernel version is unknown, and with it the meaning of the bits
 */
export function oldGfpNames(mask: string, kernel: string | null): string | null {
  const [, major, minor] = /^(\d+)\.(\d+)/.exec(kernel ?? '') ?? [];
  const value = Number(mask);
  if (major === undefined || !Number.isSafeInteger(value)) return null;
  const split = Number(major) > 4 || (Number(major) === 4 && Number(minor) >= 4);
  const wait = split ? ['DIRECT_RECLAIM', 'KSWAPD_RECLAIM'] : ['WAIT'];
  return gfpNames(value, split ? from44 : until43, compoundsOf(wait));
}
