/**
 * What the flags of a memory request mean (include/linux/gfp_types.h, before 6.1 include/linux/gfp.h), and the words for
 * whose memory ran out (include/linux/oom.h: enum oom_constraint).
 */
import type { Scope } from '../../model/events.ts';

/** Flags and combinations of flags, by the kernel's names. */
const GFP: Readonly<Record<string, string>> = {
  GFP_ATOMIC: 'must not wait: no reclaim, but may use reserves; a request in an interrupt or under a lock',
  GFP_KERNEL: 'memory for the kernel itself; may wait, reclaim, and start disk I/O',
  GFP_KERNEL_ACCOUNT: 'like GFP_KERNEL, and charged to the cgroup of the task',
  GFP_NOWAIT: 'must not wait: only wakes kswapd',
  GFP_NOIO: 'may wait and reclaim, but must not start I/O',
  GFP_NOFS: 'may wait and reclaim, but must not call into file systems',
  GFP_USER: 'memory for user space that the kernel must reach as well',
  GFP_TEMPORARY: 'for a short time; kernels before 4.14',
  GFP_DMA: 'from zone DMA only, for old devices',
  GFP_DMA32: 'from memory below 4 GiB only, for 32-bit devices',
  GFP_HIGHUSER: 'memory for user space, which may be in high memory',
  GFP_HIGHUSER_MOVABLE: 'a page for user space that the kernel can move later: heap, stack, page cache',
  GFP_TRANSHUGE: 'a transparent huge page; may wait for reclaim and compaction',
  GFP_TRANSHUGE_LIGHT: 'a transparent huge page, only if one is free at once',
  __GFP_DMA: 'from zone DMA only',
  __GFP_HIGHMEM: 'may be in high memory',
  __GFP_DMA32: 'from zone DMA32 only',
  __GFP_MOVABLE: 'the kernel can move the page later, so it may be in CMA or zone Movable',
  __GFP_RECLAIMABLE: 'a slab that a shrinker can free',
  __GFP_HIGH: 'high priority: may use part of the reserves below the min watermark',
  __GFP_IO: 'may start disk I/O to free memory',
  __GFP_FS: 'may call into file systems to free memory',
  __GFP_ZERO: 'the page is filled with zeros',
  __GFP_ATOMIC: 'cannot wait and has high priority; older kernels',
  __GFP_DIRECT_RECLAIM: 'the task may free memory itself, and wait for it',
  __GFP_KSWAPD_RECLAIM: 'wakes kswapd, which frees memory in the background',
  __GFP_RECLAIM: 'may free memory itself, and wakes kswapd',
  __GFP_WAIT: 'may wait and free memory; kernels before 4.4',
  __GFP_WRITE: 'the page will be written to soon',
  __GFP_NOWARN: 'no message in the log if the request fails',
  __GFP_REPEAT: 'try hard, but may fail; kernels before 4.14',
  __GFP_RETRY_MAYFAIL: 'try hard, but fail before the OOM killer is invoked',
  __GFP_NOFAIL: 'must not fail: the kernel tries for ever',
  __GFP_NORETRY: 'give up early, without the OOM killer',
  __GFP_MEMALLOC: 'may use all reserves, because it will free more memory soon',
  __GFP_NOMEMALLOC: 'must not use the reserves',
  __GFP_COMP: 'the pages form one compound page',
  __GFP_HARDWALL: 'only from the NUMA nodes of the cpuset of the task',
  __GFP_THISNODE: 'only from one NUMA node, with no other as fallback',
  __GFP_ACCOUNT: 'charged to the cgroup of the task',
  __GFP_COLD: 'a page that is not in the CPU cache; kernels before 4.15',
  __GFP_NOTRACK: 'not tracked by kmemcheck; kernels before 4.15',
  __GFP_NO_KSWAPD: 'does not wake kswapd; kernels before 4.4',
  __GFP_OTHER_NODE: 'on behalf of another NUMA node; kernels before 4.10',
  __GFP_KMEMCG: 'charged to a cgroup as kernel memory; kernels before 3.16',
  __GFP_NOACCOUNT: 'not charged to a cgroup; kernels 4.1 to 4.4',
  __GFP_CMA: 'may use CMA; a flag of vendor kernels',
  __GFP_ZEROTAGS: 'memory tags are cleared too (arm64)',
  __GFP_SKIP_ZERO: 'the page is not filled with zeros, the caller does it',
  __GFP_SKIP_KASAN: 'not checked by KASAN',
  __GFP_SKIP_KASAN_POISON: 'not poisoned by KASAN when it is freed',
  __GFP_SKIP_KASAN_UNPOISON: 'not unpoisoned by KASAN',
  __GFP_NOLOCKDEP: 'not checked by lockdep',
  __GFP_NO_OBJ_EXT: 'no slab extensions for the object',
};

/** What a flag means. undefined: the flag is unknown. */
export const meaningOfGfp = (flag: string): string | undefined => (Object.hasOwn(GFP, flag) ? GFP[flag] : undefined);

/** The kernel's name for whose memory ran out, and its meaning. */
export const CONSTRAINTS: Readonly<Record<Scope, readonly [string, string]>> = {
  system: ['CONSTRAINT_NONE', 'the machine ran out of memory; the kernel chose among all processes'],
  cgroup: ['CONSTRAINT_MEMCG', 'a cgroup reached its limit; the kernel chose among the processes in it and below it'],
  cpuset: ['CONSTRAINT_CPUSET', 'the NUMA nodes of a cpuset ran out of memory; other nodes may have had some'],
  mempolicy: ['CONSTRAINT_MEMORY_POLICY', 'the NUMA nodes of a memory policy ran out; other nodes may have had some'],
};

/** What an order means, such as that of SysRq-f. */
export function meaningOfOrder(order: number): string {
  if (order === -1) return 'SysRq-f invoked the OOM killer; there was no request';
  if (order === 0) return 'a single page';
  const costly = order > 3 ? '; above order 3 the kernel gives up early, and seldom invokes the OOM killer' : '';
  return `2^${order} = ${2 ** order} contiguous pages${costly}`;
}

/** What an oom_score_adj means. */
export function meaningOfAdj(adj: number): string {
  if (adj === -1000) return 'the kernel never kills this process';
  if (adj === 0) return 'the choice depends on the memory of the process alone';
  const share = Math.abs(adj) / 10;
  return adj > 0
    ? `adds ${share} % of the memory that ran out to the badness of the process`
    : `takes ${share} % of the memory that ran out off the badness of the process`;
}
