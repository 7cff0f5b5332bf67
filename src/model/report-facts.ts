/** The parts of `oom.report` that the kernel printed. null: the log does not contain the value. */
import type { CgroupOwner } from './container.ts';

/** A part of a report. */
export type ReportPart = 'head' | 'stack' | 'cgroup' | 'memory' | 'tasks' | 'summary' | 'kill' | 'reaper' | 'panic';

/** The victim's memory, from the report. */
export interface ReportVictimMemory {
  /** Size of the virtual address space. */
  total_vm_bytes: number | null;
  /** Resident memory: anonymous, file and shared pages together. */
  rss_bytes: number | null;
  /** Resident anonymous pages: heap and stacks. */
  anon_rss_bytes: number | null;
  /** Resident pages of files. */
  file_rss_bytes: number | null;
  /** Resident shared memory. Kernels before 4.5 count it in `file_rss_bytes`. */
  shmem_rss_bytes: number | null;
  /** Swapped memory, from the task table. */
  swap_bytes: number | null;
  /** Size of the page tables. */
  page_tables_bytes: number | null;
}

/** The process that the kernel killed, from the report. */
export interface ReportVictim extends CgroupOwner {
  /** The process id, from the task table. If the table is missing, `tid`, which usually is the same number. */
  pid: number;
  /** The id of the thread that the kernel marked as its victim. The kernel's log calls this id "pid". */
  tid: number;
  /** The real user id. */
  uid: number | null;
  /** The name of the marked thread. */
  comm: string;
  /** Whether the log has no "Killed process" line, so that the victim is known from another line. */
  inferred: boolean;
  /**
   * The process that the kernel chose, if it killed a child of this process instead: kernels before 5.1 do so when a
   * child has memory of its own. `score` then belongs to the chosen process. null: the victim itself was chosen.
   */
  chosen: { pid: number; comm: string } | null;
  /** The words before "Killed process": "Memory cgroup out of memory". */
  reason: string | null;
  /** The oom_score_adj, -1000 to 1000. */
  oom_score_adj: number | null;
  /** The victim's memory. */
  memory: ReportVictimMemory;
  /** The path of the victim's memory cgroup. */
  cgroup: string | null;
  /** The "score" that kernels before 5.1 print: badness in thousandths of the memory that ran out. */
  score: number | null;
  /** The memory left after reaping, from the line "oom_reaper: reaped process". null: there is no such line. */
  reaped: { anon_rss_bytes: number; file_rss_bytes: number; shmem_rss_bytes: number } | null;
}

/** The task whose memory allocation invoked the OOM killer, from the report. */
export interface ReportTrigger {
  /** The process id. */
  pid: number | null;
  /** The thread id. */
  tid: number | null;
  /** The real user id. */
  uid: number | null;
  /** The name of the thread. */
  comm: string;
  /** The flags of the allocation: "0xcc0". */
  gfp_mask: string | null;
  /** The same flags by name. Kernels before 4.6 do not print names, so oomscope adds them. */
  gfp: string | null;
  /** The allocation's order: it requested 2^order pages. -1: SysRq-f invoked the OOM killer. */
  order: number | null;
  /** The oom_score_adj, -1000 to 1000. */
  oom_score_adj: number | null;
  /** The NUMA nodes that the task may use: "0-1". */
  mems_allowed: string | null;
  /** The cpuset of the task. */
  cpuset: string | null;
  /** The CPU that the task ran on. */
  cpu: number | null;
  /**
   * The functions of the kernel stack, innermost first. Unreliable entries, which the kernel marks with "?", are left
   * out.
   */
  stack: string[];
}

/** The cgroup whose limit was hit, from the report. */
export interface ReportLimit extends CgroupOwner {
  /** Path of the cgroup. null: the log has only its figures. */
  path: string | null;
  /** Usage at the kill. */
  usage_bytes: number | null;
  /** The limit. null: the cgroup has no limit, or, if `usage_bytes` is null as well, the limit is unknown. */
  limit_bytes: number | null;
  /** The number of times that usage hit the limit ("failcnt"). */
  fail_count: number | null;
  /** cgroup v2: swap in use. */
  swap_bytes: number | null;
  /** cgroup v2: the limit of swap. */
  swap_limit_bytes: number | null;
  /** cgroup v1: memory and swap together. */
  memory_and_swap_bytes: number | null;
  /** cgroup v1: the limit of memory and swap together. */
  memory_and_swap_limit_bytes: number | null;
  /** cgroup v1: kernel memory. */
  kernel_bytes: number | null;
  /** cgroup v1: the limit of kernel memory. */
  kernel_limit_bytes: number | null;
  /**
   * `memory.stat` of each cgroup in the report, by the kernel's names. Sizes are converted to bytes, counters are
   * unchanged.
   */
  stats: { path: string | null; values: Record<string, number> }[];
}

/** One zone of memory. */
export interface ReportZone {
  /** The NUMA node. */
  node: number;
  /** The name of the zone: "Normal". */
  name: string;
  /** Free memory. */
  free_bytes: number;
  /** The min watermark: below it, only the kernel and exiting processes may allocate. */
  min_bytes: number;
  /** The low watermark: below it, kswapd begins to reclaim in the background. */
  low_bytes: number;
  /** The high watermark: above it, kswapd stops. */
  high_bytes: number;
  /** All memory of the zone. */
  present_bytes: number | null;
  /** The part of `present_bytes` that the page allocator manages. */
  managed_bytes: number | null;
  /** All sizes in the zone's line of the log, in bytes, by the kernel's names. */
  values: Record<string, number>;
  /** The bytes that the zone reserves against allocations that could use a higher zone, one number per higher zone. */
  lowmem_reserve_bytes: number[] | null;
  /** The number of free blocks by order, from order 0 on. */
  free_blocks: number[] | null;
  /**
   * The migrate types of the free blocks by order, as the kernel's letters: "UM". U unmovable, M movable, E reclaimable,
   * H reserved for atomic allocations, C CMA, I isolated. "": no free block, or a kernel that does not print the types.
   */
  free_block_types: string[] | null;
  /** Whether the kernel found nothing to reclaim in the zone. */
  all_unreclaimable: boolean | null;
}

/** The memory of the system, from the report. */
export interface ReportMemory {
  /** The figures under "Mem-Info:" for the whole system, in bytes, by the kernel's names. */
  totals: Record<string, number>;
  /** The same figures for each NUMA node. */
  nodes: { node: number; values: Record<string, number> }[];
  /** All zones. */
  zones: ReportZone[];
  /** Huge pages by node and size; `total`, `free` and `surplus` count pages. */
  hugepages: { node: number; size_bytes: number; total: number; free: number; surplus: number }[];
  /** The page cache. */
  page_cache_bytes: number | null;
  /** The size of swap. */
  swap_total_bytes: number | null;
  /** Free swap. */
  swap_free_bytes: number | null;
  /** The swap cache: pages that are both in memory and in swap. */
  swap_cache_bytes: number | null;
  /** The size of RAM. */
  ram_bytes: number | null;
  /** The part of RAM that the kernel keeps for itself. */
  reserved_bytes: number | null;
  /** The part of RAM in high memory, or in a zone for movable pages only. */
  highmem_bytes: number | null;
  /** The part of RAM that is reserved for contiguous allocations of drivers (CMA). */
  cma_reserved_bytes: number | null;
  /** The part of RAM that is out of use because of hardware errors. */
  hwpoisoned_bytes: number | null;
  /** How often pages were added to the swap cache, deleted from it, found in it, and sought in it, since boot. */
  swap_cache_stats: { added: number; deleted: number; found: number; sought: number } | null;
  /** Slab caches that cannot be reclaimed. The kernel lists them only if they are larger than all user memory. */
  slabs: { name: string; used_bytes: number; total_bytes: number }[];
}

/** A row of the task table in the report. */
export interface ReportTask {
  /** The process id. */
  pid: number;
  /** The thread that the kernel printed. */
  tid: number;
  /** The real user id. */
  uid: number;
  /** The name of the thread. */
  comm: string;
  /** Size of the virtual address space. */
  total_vm_bytes: number;
  /** Resident memory. */
  rss_bytes: number;
  /** Resident anonymous pages. null: this kernel does not print it. */
  anon_rss_bytes: number | null;
  /** Resident pages of files. null: this kernel does not print it. */
  file_rss_bytes: number | null;
  /** Resident shared memory. null: this kernel does not print it. */
  shmem_rss_bytes: number | null;
  /** Size of the page tables. null: this kernel does not print it. */
  page_tables_bytes: number | null;
  /** Swapped memory. null: this kernel does not print it. */
  swap_bytes: number | null;
  /** The CPU on which the process ran last. Only kernels before 3.6 print it; missing otherwise. */
  cpu?: number;
  /** The oom_score_adj, -1000 to 1000. For kernels before 2.6.36 it is computed from oom_adj. */
  oom_score_adj: number;
  /**
   * `oom_badness()`, in pages, computed from this row. null: the kernel never chooses the process (init, oom_score_adj
   * -1000), or the size of the memory that ran out is unknown.
   */
  badness_pages: number | null;
}
