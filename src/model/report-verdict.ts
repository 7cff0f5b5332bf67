/** The part of `oom.report` that oomscope concludes from the parts that the kernel printed. */

/**
 * Why the allocation failed.
 * - `cgroup_limit`: the victim's own cgroup was at its limit. `ancestor_limit`: a cgroup above it was at its limit.
 * - `watermark`: the zones that the allocation could use were below their watermarks.
 * - `fragmentation`: memory was free, but no block was large enough.
 * - `zone`: the allocation could use only some zones, and those were full.
 * - `cpuset`, `mempolicy`: the allocation could use only some NUMA nodes, and those were full.
 * - `reserved`: memory was free, but reserved for other kinds of allocations (CMA, atomic allocations).
 * - `no_shortage`: the zones had memory that the allocation could use.
 * - `page_fault`: a page fault handler returned VM_FAULT_OOM, for example because of a cgroup's limit.
 * - `sysrq`: SysRq-f invoked the OOM killer; no allocation failed.
 * - `unknown`: the report does not say.
 */
export type ReportCause =
  | 'page_fault'
  | 'reserved'
  | 'no_shortage'
  | 'cgroup_limit'
  | 'ancestor_limit'
  | 'watermark'
  | 'fragmentation'
  | 'zone'
  | 'cpuset'
  | 'mempolicy'
  | 'sysrq'
  | 'unknown';

/**
 * A circumstance that contributed to the shortage.
 * - `shmem`: shared memory and tmpfs. `page_tables`, `slab_unreclaimable`, `kernel_memory`: memory of the kernel
 *   itself.
 * - `file_cache`: pages of files that were not reclaimed. `unevictable`: locked memory. `hugepages`: memory reserved
 *   for huge pages. `unaccounted`: memory in use that no figure of the report explains.
 * - `no_swap`: the machine has no swap. `swap_full`: swap was full. `swap_forbidden`: the cgroup may not use swap.
 * - `high_order`: the allocation was for more than one page. `no_compaction`: the kernel is built without compaction.
 * - `spared`: processes with an oom_score_adj of -1000 hold much memory.
 */
export type ReportFactor =
  | 'shmem'
  | 'slab_unreclaimable'
  | 'swap_full'
  | 'no_swap'
  | 'swap_forbidden'
  | 'page_tables'
  | 'hugepages'
  | 'kernel_memory'
  | 'file_cache'
  | 'unevictable'
  | 'unaccounted'
  | 'high_order'
  | 'no_compaction'
  | 'spared';

/** The interpretation of a report. */
export interface ReportVerdict {
  /** Why the allocation failed. */
  cause: ReportCause;
  /** Why the allocation failed, in one sentence. */
  why: string;
  /** Circumstances that contributed, the most important first. `bytes` is the memory that the factor explains. */
  factors: { factor: ReportFactor; bytes: number | null; text: string }[];
  /**
   * The largest users of the memory that ran out, the largest first: processes, and kinds of memory that belong to no
   * process (`pid` is null). `share` is a fraction, 0 to 1, of the memory that ran out.
   */
  holders: {
    name: string;
    pid: number | null;
    /**
     * The number of processes with this name, counted together. 1: a single process (see `pid`). 0: memory of no
     * process.
     */
    processes: number;
    bytes: number;
    share: number | null;
  }[];
  /** The victim's RSS and swap as a share of the memory that ran out, 0 to 1. */
  victim_share: number | null;
  /** Which process the kernel chose, and why. */
  choice: string;
  /**
   * Whether the badness that oomscope computes leads to the same victim. null: the report does not have the figures.
   */
  choice_agrees: boolean | null;
  /** Which process used up the memory, as far as one report can show. It need not be the victim. */
  culprit: string;
  /** Which process the kernel would have chosen with other settings. */
  alternatives: { if: string; pid: number; comm: string }[];
  /** Whether memory was too fragmented for the request. */
  fragmentation: ReportFragmentation;
  /** The memory of the processes, summed by name, user and owner. */
  sums: ReportSums;
  /** The language runtime of the victim, guessed from the process name: "java". */
  runtime: string | null;
  /** What to do, and why. */
  advice: { do: string; because: string }[];
}

/**
 * Whether memory was too fragmented for the request.
 * - `cause`: enough memory was free, but no free block was large enough.
 * - `contributed`: memory was short, and no free block was large enough either.
 * - `no_part`: the request was for one page, a large enough block was free, or a limit ran out.
 * - `unknown`: the report lacks the order of the request or the lists of free blocks.
 */
export interface ReportFragmentation {
  /** Which part fragmentation played. */
  state: 'cause' | 'contributed' | 'no_part' | 'unknown';
  /** The verdict in one or two sentences. */
  text: string;
  /** The zones whose list of free blocks is in the report. */
  zones: {
    /** The NUMA node. */
    node: number;
    /** The name of the zone: "Normal". */
    name: string;
    /** Whether the request may take memory from this zone. */
    usable: boolean;
    /** The order of the largest free block. null: no block is free. */
    largest_order: number | null;
    /**
     * The number of free blocks that are as large as the request or larger, and that such a request may use. null: the
     * order of the request is unknown.
     */
    large_enough: number | null;
    /** The share of the free memory that lies in smaller blocks, 0 to 1. null: unknown, or nothing is free. */
    too_small_share: number | null;
  }[];
}

/** Memory of one name, user, cgroup, unit, pod or container. */
export interface ReportSum {
  /** The name of the group. For a user, this is the user id (uid). */
  name: string;
  /** The number of processes in the task table. */
  processes: number;
  /** RSS and swap of these processes, or the usage that the kernel counted. */
  bytes: number;
  /**
   * Where `bytes` comes from: `usage` is the kernel's account of the cgroup, `processes` is a sum over the task table,
   * which counts a page that several processes share once for each of them.
   */
  measured: 'usage' | 'processes';
  /** The share of `whole_bytes`, 0 to 1. null: unknown, or the sum exceeds the whole because of shared pages. */
  share: number | null;
}

/**
 * Memory by name, user and owner, the largest first. The kernel's task table has no cgroups: only the cgroup whose limit
 * was hit, those of the victims, and the container of the allocating task, when its cpuset names it, are known.
 */
export interface ReportSums {
  /** What the shares are of: the RAM of the machine, or the limit of the cgroup. */
  whole: 'ram' | 'limit' | null;
  /** The size of that whole. */
  whole_bytes: number | null;
  /** By the name of the process: the 100 largest. */
  by_name: ReportSum[];
  /** The number of different names in the task table. */
  names: number;
  /** By user id: the 100 largest. */
  by_user: ReportSum[];
  /** The number of different users in the task table. */
  users: number;
  /** By the path of the cgroup. A cgroup includes those below it. */
  by_cgroup: ReportSum[];
  /** By systemd unit. */
  by_unit: ReportSum[];
  /** By the uid of the pod. */
  by_pod: ReportSum[];
  /** By the id of the container. */
  by_container: ReportSum[];
  /** Processes of the task table whose cgroup the log does not name. */
  unplaced: { processes: number; bytes: number };
}
