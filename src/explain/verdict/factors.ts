/** What kinds of memory made it tight, beside the processes: each by a share above which it is worth a word. */

import type { ReportFactor, ReportLimit, ReportMemory, ReportVerdict } from '../../model/oom-report.ts';
import { formatBytes, formatShare } from '../../text/format.ts';
import { printable } from '../../text/printable.ts';
import type { ReportFacts } from '../report/facts.ts';

export type Factor = ReportVerdict['factors'][number];

const MUCH = 0.2;
/** Page tables are small, unless many processes map the same large memory. */
const MUCH_PAGE_TABLES = 0.05;
const FULL = 0.95;

export function factorsOf(report: ReportFacts): Factor[] {
  const found = report.scope === 'cgroup' ? ofCgroup(report) : report.memory ? ofMachine(report.memory) : [];
  const spared = sparedOf(report);
  return [...found, ...(spared ? [spared] : [])].sort((a, b) => (b.bytes ?? 0) - (a.bytes ?? 0));
}

const words: Partial<Record<ReportFactor, string>> = {
  shmem: 'in shared memory and tmpfs: files in a tmpfs stay when processes die',
  slab_unreclaimable: 'in kernel objects that cannot be reclaimed (unreclaimable slab)',
  page_tables: 'in page tables: many processes, or much sparsely used address space',
  hugepages: 'set aside as huge pages: nobody else can use them, whether they are in use or not',
  kernel_memory: 'kernel memory on behalf of the cgroup: sockets, dentries, pipes, stacks',
  unevictable: 'locked in memory (mlock), or otherwise not to be evicted',
  file_cache: 'page cache that was not reclaimed: dirty, under writeback, or in steady use',
  unaccounted: 'in nobody’s account: drivers, a balloon, GPU buffers, vmalloc',
};

function factor(name: ReportFactor, bytes: number, whole: number, least: number): Factor[] {
  if (!(whole > 0) || bytes < whole * least) return [];
  return [{ factor: name, bytes, text: `${formatBytes(bytes)} (${formatShare(bytes / whole)}) ${words[name]}` }];
}

/** A figure of "Mem-Info:", of the whole system or summed over the nodes, which have some that the whole has not. */
export function total({ totals, nodes }: ReportMemory, name: string): number {
  return totals[name] ?? nodes.reduce((sum, { values }) => sum + (values[name] ?? 0), 0);
}

function ofMachine(memory: ReportMemory): Factor[] {
  const ram = (memory.ram_bytes ?? 0) - (memory.reserved_bytes ?? 0);
  const of = (name: string) => total(memory, name);
  const huge = memory.hugepages.reduce((sum, { total: count, size_bytes }) => sum + count * size_bytes, 0);
  const slab = of('slab_unreclaimable');
  const cache = of('active_file') + of('inactive_file');
  const factors = [
    ...factor('shmem', of('shmem'), ram, MUCH),
    ...factor('slab_unreclaimable', slab, ram, MUCH),
    ...factor('page_tables', of('pagetables'), ram, MUCH_PAGE_TABLES),
    ...factor('hugepages', huge, ram, MUCH),
    ...factor('unevictable', of('unevictable'), ram, MUCH),
    ...factor('file_cache', cache, ram, MUCH),
    ...factor('unaccounted', unaccounted(memory, ram, huge), ram, MUCH),
  ];
  const caches = memory.slabs.toSorted((a, b) => b.total_bytes - a.total_bytes).slice(0, 3);
  for (const one of factors) {
    if (one.factor !== 'slab_unreclaimable' || caches.length === 0) continue;
    one.text += `; most: ${caches.map(({ name, total_bytes }) => `${printable(name)} ${formatBytes(total_bytes)}`).join(', ')}`;
  }
  return [...factors, ...swapOfMachine(memory)];
}

/** What is neither free nor anybody's. Only where the log has the figures that it is worked out from. */
function unaccounted(memory: ReportMemory, ram: number, huge: number): number {
  const names = [
    'active_anon',
    'inactive_anon',
    'active_file',
    'inactive_file',
    'unevictable',
    'slab_reclaimable',
    'slab_unreclaimable',
    'pagetables',
    'free',
  ];
  if (!names.every((name) => Object.hasOwn(memory.totals, name)) || ram <= 0) return 0;
  const stacks = memory.nodes.reduce((sum, { values }) => sum + (values.kernel_stack ?? 0), 0);
  const lists = total(memory, 'free_pcp') + total(memory, 'free_cma') + total(memory, 'kernel_misc_reclaimable');
  return ram - names.reduce((sum, name) => sum + (memory.totals[name] ?? 0), 0) - stacks - lists - huge;
}

function swapOfMachine({ swap_total_bytes: all, swap_free_bytes: free }: ReportMemory): Factor[] {
  if (all === null || free === null) return [];
  if (all === 0)
    return [{ factor: 'no_swap', bytes: 0, text: 'There is no swap: anonymous memory could not be moved out' }];
  if (all - free < all * FULL) return [];
  return [
    {
      factor: 'swap_full',
      bytes: all - free,
      text: `Swap is full: ${formatBytes(all - free)} of ${formatBytes(all)} in use`,
    },
  ];
}

/**
 * A figure of `memory.stat`, of the group and all below it. Where the kernel prints each group for itself (before 5.3) they
 * are added up.
 */
export function statOf({ stats }: ReportLimit): (name: string) => number {
  return (name) => stats.reduce((sum, { values }) => sum + (values[`total_${name}`] ?? values[name] ?? 0), 0);
}

/** Kernel memory of the group: kmem on v1, `kernel` on v2 from 5.18 on, before that by its parts. */
export function kernelOf(limit: ReportLimit): number {
  const of = statOf(limit);
  return limit.kernel_bytes ?? (of('kernel') || of('slab') + of('kernel_stack') + of('pagetables'));
}

function ofCgroup({ limit, cgroup_version }: ReportFacts): Factor[] {
  if (limit?.limit_bytes == null) return [];
  const whole = limit.limit_bytes;
  const of = statOf(limit);
  const kernel = kernelOf(limit);
  const factors = [
    ...factor('shmem', of('shmem'), whole, MUCH),
    ...factor('slab_unreclaimable', of('slab_unreclaimable'), whole, MUCH),
    ...factor('page_tables', of('pagetables'), whole, MUCH_PAGE_TABLES),
    ...factor('kernel_memory', kernel, whole, MUCH),
    ...factor('unevictable', of('unevictable'), whole, MUCH),
    ...factor('file_cache', Math.max(0, of('active_file') + of('inactive_file')), whole, MUCH),
  ];
  const { swap_bytes: used, swap_limit_bytes: most, memory_and_swap_limit_bytes: both } = limit;
  if (cgroup_version === 2 && used !== null && most === 0) factors.push(forbidden('memory.swap.max is 0'));
  else if (used !== null && most !== null && used >= most * FULL) {
    factors.push({
      factor: 'swap_full',
      bytes: used,
      text: `Its swap is full: ${formatBytes(used)} of ${formatBytes(most)}`,
    });
  }
  if (both !== null && both === whole)
    factors.push(forbidden('memory.memsw.limit_in_bytes is no higher than the limit'));
  return factors;
}

const forbidden = (why: string): Factor => ({ factor: 'swap_forbidden', bytes: 0, text: `It may not swap: ${why}` });

function sparedOf({ tasks }: ReportFacts): Factor | undefined {
  const size = (task: ReportFacts['tasks'][number]) => task.rss_bytes + (task.swap_bytes ?? 0);
  const all = tasks.reduce((sum, task) => sum + size(task), 0);
  const spared = tasks.filter(({ oom_score_adj }) => oom_score_adj === -1000).sort((a, b) => size(b) - size(a));
  const bytes = spared.reduce((sum, task) => sum + size(task), 0);
  if (all === 0 || bytes < all * MUCH) return undefined;
  const names = spared.slice(0, 3).map(({ comm }) => printable(comm));
  return {
    factor: 'spared',
    bytes,
    text: `${formatBytes(bytes)} in processes that may not be killed (oom_score_adj -1000): ${names.join(', ')}`,
  };
}
