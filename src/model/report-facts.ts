/** The parts of `oom.report` that the kernel printed. null: the text does not say. */
import type { CgroupOwner } from './container.ts';

/** A part of a report. */
export type ReportPart = 'head' | 'stack' | 'cgroup' | 'memory' | 'tasks' | 'summary' | 'kill' | 'reaper' | 'panic';

/** The victim's memory by the report. */
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
  /** In swap, from the task table. */
  swap_bytes: number | null;
  /** Size of the page tables. */
  page_tables_bytes: number | null;
}

/** The process that the kernel killed, by the report. */
export interface ReportVictim extends CgroupOwner {
  /** The process id. Without a task table that has it, the id of the marked thread, which is mostly the same. */
  pid: number;
  /** The marked thread. The kernel's log calls this pid. */
  tid: number;
  /** The real user id. */
  uid: number | null;
  /** The name of the marked thread. */
  comm: string;
  /** The log has no "Killed process" line: another line names the victim. */
  inferred: boolean;
  /**
   * The process that the kernel chose, where it killed a child in its place: before 5.1 it did so when a child had memory of
   * its own. `score` is then this process's. null: the victim itself was chosen.
   */
  chosen: { pid: number; comm: string } | null;
  /** The words before "Killed process": "Memory cgroup out of memory". */
  reason: string | null;
  /** -1000 to 1000. */
  oom_score_adj: number | null;
  /** Its memory. */
  memory: ReportVictimMemory;
  /** Path of its memory cgroup. */
  cgroup: string | null;
  /** The "score" that kernels before 5.1 print: thousandths of what ran out. */
  score: number | null;
  /** What was left by the line "oom_reaper: reaped process". null: there is no such line. */
  reaped: { anon_rss_bytes: number; file_rss_bytes: number; shmem_rss_bytes: number } | null;
}

/** The task that asked for memory when there was none, by the report. */
export interface ReportTrigger {
  /** The process id. */
  pid: number | null;
  /** The thread. */
  tid: number | null;
  /** The real user id. */
  uid: number | null;
  /** The name of the thread. */
  comm: string;
  /** The flags of the allocation, as "0xcc0". */
  gfp_mask: string | null;
  /** The same flags by name. Kernels before 4.6 do not print names; these are then oomscope's. */
  gfp: string | null;
  /** The allocation was of 2^order pages. -1: SysRq-f asked for the kill. */
  order: number | null;
  /** -1000 to 1000. */
  oom_score_adj: number | null;
  /** The NUMA nodes that the task may use, as "0-1". */
  mems_allowed: string | null;
  /** The cpuset of the task. */
  cpuset: string | null;
  /** The CPU that the task ran on. */
  cpu: number | null;
  /** The functions of the kernel stack, innermost first, without those that the kernel is not sure of ("? name"). */
  stack: string[];
}

/** The cgroup whose limit was hit, by the report. */
export interface ReportLimit extends CgroupOwner {
  /** Path of the cgroup. null: the log has only its figures. */
  path: string | null;
  /** Usage at the kill. */
  usage_bytes: number | null;
  /** null: it has no limit, or, if `usage_bytes` is null as well, it is unknown. */
  limit_bytes: number | null;
  /** How often usage hit the limit ("failcnt"). */
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
  /** `memory.stat` of each cgroup in the report, as the kernel printed it. Sizes are bytes; counts of events are as they are. */
  stats: { path: string | null; values: Record<string, number> }[];
}

/** One zone of memory. */
export interface ReportZone {
  /** The NUMA node. */
  node: number;
  /** The name: "Normal". */
  name: string;
  /** Free memory. */
  free_bytes: number;
  /** The watermark below which only the kernel and dying processes may allocate. */
  min_bytes: number;
  /** The watermark at which the kernel begins to reclaim in the background. */
  low_bytes: number;
  /** The watermark at which it stops. */
  high_bytes: number;
  /** All memory of the zone. */
  present_bytes: number | null;
  /** The part of it that the page allocator has. */
  managed_bytes: number | null;
  /** All sizes in the line of the zone, in bytes, by the kernel's own names. */
  values: Record<string, number>;
  /** What the zone keeps back from allocations that could use a higher zone, by zone, in bytes. */
  lowmem_reserve_bytes: number[] | null;
  /** The number of free blocks by order, from order 0 on. */
  free_blocks: number[] | null;
  /** The kernel found nothing to reclaim in it. */
  all_unreclaimable: boolean | null;
}

/** The memory of the system by the report. */
export interface ReportMemory {
  /** The figures under "Mem-Info:" for the whole system, in bytes, by the kernel's own names. */
  totals: Record<string, number>;
  /** The same for each NUMA node. */
  nodes: { node: number; values: Record<string, number> }[];
  /** Every zone. */
  zones: ReportZone[];
  /** Huge pages by node and size; `total`, `free` and `surplus` count pages. */
  hugepages: { node: number; size_bytes: number; total: number; free: number; surplus: number }[];
  /** The page cache. */
  page_cache_bytes: number | null;
  /** Size of swap. */
  swap_total_bytes: number | null;
  /** Free swap. */
  swap_free_bytes: number | null;
  /** Pages that are in memory and in swap. */
  swap_cache_bytes: number | null;
  /** RAM. */
  ram_bytes: number | null;
  /** The part of RAM that the kernel keeps for itself. */
  reserved_bytes: number | null;
  /** Slab caches that cannot be reclaimed. The kernel lists them only if they are larger than all user memory. */
  slabs: { name: string; used_bytes: number; total_bytes: number }[];
}

/** A row of the task table. */
export interface ReportTask {
  /** The process id. */
  pid: number;
  /** The thread that the kernel printed. */
  tid: number;
  /** The real user id. */
  uid: number;
  /** The name. */
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
  /** In swap. null: this kernel does not print it. */
  swap_bytes: number | null;
  /** -1000 to 1000. Before 2.6.36 it is computed from oom_adj. */
  oom_score_adj: number;
  /**
   * `oom_badness()` of these figures, in pages. null: the kernel never chooses it (init, oom_score_adj -1000), or the size
   * of what ran out is unknown.
   */
  badness_pages: number | null;
}
