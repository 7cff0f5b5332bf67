/**
 * Finds the factors of an OOM besides the processes: kinds of memory with a large share, full swap, or a large request.
 */
import type { ReportFactor, ReportLimit, ReportMemory, ReportVerdict } from '../../model/oom-report.ts';
import { formatBytes, formatShare } from '../../text/format.ts';
import { printable } from '../../text/printable.ts';
import type { ReportFacts } from '../report/report-facts.ts';

export type Factor = ReportVerdict['factors'][number];

const MUCH = 0.2;
/** A lower threshold, because page tables are small unless many processes map the same large memory. */
const MUCH_PAGE_TABLES = 0.05;
const FULL = 0.95;

/** @returns the factors, the largest first */
export function factorsOf(report: ReportFacts): Factor[] {
  const kinds = report.scope === 'cgroup' ? ofCgroup(report) : report.memory ? ofMachine(report.memory) : [];
  const found = [...kinds, ...sparedOf(report)].sort((a, b) => (b.bytes ?? 0) - (a.bytes ?? 0));
  if (isSysrq(report)) return sparedOf(report);
  return [...found, ...highOrderOf(report), ...compactionOf(report)];
}

/** True for a kill by SysRq-f: the kernel had no shortage of memory. */
export const isSysrq = ({ trigger, evidence }: ReportFacts) => trigger?.order === -1 || evidence.sysrq;

function compactionOf({ evidence }: ReportFacts): Factor[] {
  const text = 'This kernel is built without compaction: it cannot move pages to make a larger free block';
  return evidence.noCompaction ? [{ factor: 'no_compaction', bytes: null, text }] : [];
}

function highOrderOf({ trigger, page_bytes }: ReportFacts): Factor[] {
  const order = trigger?.order ?? 0;
  if (order <= 0) return [];
  const text = `The request was for ${2 ** order} contiguous pages (order ${order}), not for a single page`;
  return [{ factor: 'high_order', bytes: page_bytes * 2 ** order, text }];
}

const words: Partial<Record<ReportFactor, string>> = {
  shmem: 'in shared memory and tmpfs: files in a tmpfs stay when processes die',
  slab_unreclaimable: 'in kernel objects that cannot be reclaimed (unreclaimable slab)',
  page_tables: 'in page tables: many processes, or much sparsely used address space',
  hugepages: 'reserved as huge pages, which no ordinary allocation can use, even while they are unused',
  kernel_memory: 'in kernel memory of the cgroup: sockets, dentries, pipes, stacks',
  unevictable: 'locked in memory (mlock), or unevictable for another reason',
  file_cache: 'in page cache that was not reclaimed: dirty, under writeback, or in steady use',
  unaccounted: 'in no account of the report: drivers, a balloon, GPU buffers, vmalloc',
};

function factor(name: ReportFactor, bytes: number, whole: number, least: number): Factor[] {
  if (!(whole > 0) || bytes < whole * least) return [];
  return [{ factor: name, bytes, text: `${formatBytes(bytes)} (${formatShare(bytes / whole)}) ${words[name]}` }];
}

/** A figure of "Mem-Info:" for the whole system. When the kernel prints it only for each node, the sum of the nodes. */
export function total({ totals, nodes }: ReportMemory, name: string): number {
  return totals[name] ?? nodes.reduce((sum, { values }) => sum + (values[name] ?? 0), 0);
}

export const hugePageBytes = (memory: ReportMemory) =>
  memory.hugepages.reduce((sum, { total: count, size_bytes }) => sum + count * size_bytes, 0);

function ofMachine(memory: ReportMemory): Factor[] {
  const ram = (memory.ram_bytes ?? 0) - (memory.reserved_bytes ?? 0);
  const of = (name: string) => total(memory, name);
  const huge = hugePageBytes(memory);
  const factors = [
    ...factor('shmem', of('shmem'), ram, MUCH),
    ...factor('slab_unreclaimable', of('slab_unreclaimable'), ram, MUCH),
    ...factor('page_tables', of('pagetables'), ram, MUCH_PAGE_TABLES),
    ...factor('hugepages', huge, ram, MUCH),
    ...factor('unevictable', of('unevictable'), ram, MUCH),
    ...factor('file_cache', of('active_file') + of('inactive_file'), ram, MUCH),
    ...factor('unaccounted', unaccounted(memory, ram, huge), ram, MUCH),
  ];
  const caches = memory.slabs.toSorted((a, b) => b.total_bytes - a.total_bytes).slice(0, 3);
  for (const one of factors) {
    if (one.factor !== 'slab_unreclaimable' || caches.length === 0) continue;
    one.text += `; the largest caches are ${caches.map(({ name, total_bytes }) => `${printable(name)} ${formatBytes(total_bytes)}`).join(', ')}`;
  }
  return [...factors, ...swapOfMachine(memory)];
}

const ACCOUNTED = [
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

/** RAM that no figure of the report counts. 0 when the report lacks a figure that is needed to compute it. */
function unaccounted(memory: ReportMemory, ram: number, huge: number): number {
  if (!ACCOUNTED.every((name) => Object.hasOwn(memory.totals, name)) || ram <= 0) return 0;
  const stacks = memory.nodes.reduce((sum, { values }) => sum + (values.kernel_stack ?? 0), 0);
  const lists = total(memory, 'free_pcp') + total(memory, 'free_cma') + total(memory, 'kernel_misc_reclaimable');
  return ram - ACCOUNTED.reduce((sum, name) => sum + (memory.totals[name] ?? 0), 0) - stacks - lists - huge;
}

function swapOfMachine({ swap_total_bytes: all, swap_free_bytes: free }: ReportMemory): Factor[] {
  if (all === null || free === null) return [];
  if (all === 0) {
    const text = 'The machine has no swap: anonymous memory could not be moved out';
    return [{ factor: 'no_swap', bytes: 0, text }];
  }
  if (all - free < all * FULL) return [];
  const text = `Swap is full: ${formatBytes(all - free)} of ${formatBytes(all)} are in use`;
  return [{ factor: 'swap_full', bytes: all - free, text }];
}

/**
 * A figure of `memory.stat` for the cgroup and all cgroups below it. Before 5.3 the kernel prints the figures of each
 * cgroup separately: then their sum.
 */
export function statOf({ stats }: ReportLimit): (name: string) => number {
  return (name) => stats.reduce((sum, { values }) => sum + (values[`total_${name}`] ?? values[name] ?? 0), 0);
}

/** Kernel memory of the cgroup: kmem on v1; on v2 `kernel` since 5.18, and before that the sum of its parts. */
export function kernelOf(limit: ReportLimit): number {
  const of = statOf(limit);
  return limit.kernel_bytes ?? (of('kernel') || of('slab') + of('kernel_stack') + of('pagetables'));
}

function ofCgroup({ limit, cgroup_version }: ReportFacts): Factor[] {
  if (limit?.limit_bytes == null) return [];
  const whole = limit.limit_bytes;
  const of = statOf(limit);
  const factors = [
    ...factor('shmem', of('shmem'), whole, MUCH),
    ...factor('slab_unreclaimable', of('slab_unreclaimable'), whole, MUCH),
    ...factor('page_tables', of('pagetables'), whole, MUCH_PAGE_TABLES),
    ...factor('kernel_memory', kernelOf(limit), whole, MUCH),
    ...factor('unevictable', of('unevictable'), whole, MUCH),
    ...factor('file_cache', Math.max(0, of('active_file') + of('inactive_file')), whole, MUCH),
  ];
  const { swap_bytes: used, swap_limit_bytes: most, memory_and_swap_limit_bytes: both } = limit;
  if (cgroup_version === 2 && used !== null && most === 0) factors.push(forbidden('its memory.swap.max is 0'));
  else if (used !== null && most !== null && used >= most * FULL) {
    const text = `The swap of the cgroup is full: ${formatBytes(used)} of ${formatBytes(most)}`;
    factors.push({ factor: 'swap_full', bytes: used, text });
  }
  if (both === whole) factors.push(forbidden('its memory.memsw.limit_in_bytes is no higher than its memory limit'));
  return factors;
}

const forbidden = (why: string): Factor => ({
  factor: 'swap_forbidden',
  bytes: 0,
  text: `The cgroup may not use swap: ${why}`,
});

function sparedOf({ tasks }: ReportFacts): Factor[] {
  const size = (task: ReportFacts['tasks'][number]) => task.rss_bytes + (task.swap_bytes ?? 0);
  const all = tasks.reduce((sum, task) => sum + size(task), 0);
  const spared = tasks.filter(({ oom_score_adj }) => oom_score_adj === -1000).sort((a, b) => size(b) - size(a));
  const bytes = spared.reduce((sum, task) => sum + size(task), 0);
  if (all === 0 || bytes < all * MUCH) return [];
  const names = spared.slice(0, 3).map(({ comm }) => printable(comm));
  const text = `${formatBytes(bytes)} in processes that may not be killed (oom_score_adj -1000): ${names.join(', ')}`;
  return [{ factor: 'spared', bytes, text }];
}
