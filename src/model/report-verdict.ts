/** The part of `oom.report` that oomscope concludes from the others. */

/**
 * Why the allocation failed.
 * - `cgroup_limit`: the victim's own cgroup was at its limit. `ancestor_limit`: a cgroup above it was.
 * - `watermark`: the zones that the allocation could use were below their watermarks.
 * - `fragmentation`: memory was free, but no block was large enough.
 * - `zone`: the allocation could use only some zones, and those were full.
 * - `cpuset`, `mempolicy`: the allocation could use only some NUMA nodes, and those were full.
 * - `reserved`: memory was free, but kept for other kinds of requests (CMA, atomic ones).
 * - `no_shortage`: the zones had memory that the allocation could use.
 * - `page_fault`: a page fault was refused, by the limit of a cgroup for instance, and no allocation had failed.
 * - `sysrq`: SysRq-f asked for the kill.
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
 * What made it so.
 * - `shmem`: shared memory and tmpfs. `page_tables`, `slab_unreclaimable`, `kernel_memory`: memory of the kernel itself.
 * - `file_cache`: pages of files that were not reclaimed. `unevictable`: locked memory. `hugepages`: memory reserved for huge
 *   pages. `unaccounted`: memory in use that no figure of the report explains.
 * - `no_swap`, `swap_full`, `swap_forbidden`: there was no swap to move memory to.
 * - `high_order`: the allocation was of more than one page. `no_compaction`: the kernel cannot move pages to make room.
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

/** What a report means. */
export interface ReportVerdict {
  /** Why the allocation failed. */
  cause: ReportCause;
  /** The same in one sentence. */
  why: string;
  /** What made it so, the most important first. `bytes` is how much memory it is about. */
  factors: { factor: ReportFactor; bytes: number | null; text: string }[];
  /**
   * What held the memory that ran out, the most first: processes, and kinds of memory that belong to no process (`pid` is
   * null). `share` is a fraction, 0 to 1, of what ran out.
   */
  holders: {
    name: string;
    pid: number | null;
    /** Processes of this name that hold it together: 1 for a single one (see `pid`), 0 for memory of no process. */
    processes: number;
    bytes: number;
    share: number | null;
  }[];
  /** The victim's RSS and swap as a share of what ran out, 0 to 1. */
  victim_share: number | null;
  /** Which process the kernel chose, and by what. */
  choice: string;
  /** Whether oomscope's own `oom_badness()` arrives at the same choice. null: the report does not have the figures. */
  choice_agrees: boolean | null;
  /** Which process is to blame, as far as one report can tell. It need not be the victim. */
  culprit: string;
  /** Which process the kernel would have chosen with other settings. */
  alternatives: { if: string; pid: number; comm: string }[];
  /** The victim's runtime, by its name: "java". */
  runtime: string | null;
  /** What to do, and why. */
  advice: { do: string; because: string }[];
}
