/**
 * `oom.report` and `oom.patterns`: the kernel's own report of an OOM, read from its log, and what it means. A field that
 * `oom.kill` has as well has the same name and unit. null: the text does not say.
 */
import type { CgroupOwner } from './container.ts';
import type { Envelope } from './envelope.ts';
import type { Scope } from './oom-kill.ts';

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

/** The kernel reported an OOM in its log. `node` is empty if the log does not name the host. */
export interface OomReport extends Envelope {
  type: 'oom.report';
  /**
   * Where `time` comes from.
   * - `log`: a full time stamp.
   * - `log_local`: a time stamp without year or zone, completed with those of this machine.
   * - `boot`: the time since boot, added to the time of boot.
   * - `reading`: the log has no time; this is when it was read.
   * - `live`: the kernel was watched while it wrote the report.
   */
  time_source: 'log' | 'log_local' | 'boot' | 'reading' | 'live';
  /** The kernel's own time stamp, in seconds since boot, with microseconds. null: the log has none. */
  since_boot_seconds: number | null;
  /** The release of the kernel: "6.12.107+deb13-cloud-amd64". */
  kernel: string | null;
  /** The parts of the report that are there, in this order. */
  parts: ReportPart[];
  /** The `id` of the `oom.kill` that it is about. null: it was read from a log, or the kill was not seen. */
  kill_id: string | null;
  /** The lines as the kernel wrote them, with control characters as \x0a. null: it was read from a log. */
  lines: string[] | null;
  /** What it was read from: the name of a file, "-" for standard input, "/dev/kmsg", "journal", "printk:console". */
  input: string;
  /** Where in the input the report begins, in bytes. Of a compressed input, bytes of the text. */
  offset: number;
  /** What the kernel did: it killed, found no process that it may kill, or panicked. */
  outcome: 'killed' | 'nobody_killable' | 'panic' | 'unknown';
  /** What ran out. */
  scope: Scope | null;
  /** The process that was killed. null: none was, or the line is missing. */
  victim: ReportVictim | null;
  /** Processes that were killed with it because of `memory.oom.group`. */
  group: ReportVictim[];
  /** The task that asked for memory when there was none. */
  trigger: ReportTrigger | null;
  /** The cgroup whose limit was hit. null: it was not a cgroup's limit, or the text does not say. */
  limit: ReportLimit | null;
  /** The hierarchy that has the memory controller. */
  cgroup_version: 1 | 2 | null;
  /** Size of what ran out. Not the size of the victim. */
  domain_bytes: number | null;
  /** `oom_badness()` of the victim, in pages, by the figures of the task table. */
  badness_pages: number | null;
  /** The NUMA nodes that the allocation was bound to, as "0". */
  nodemask: string | null;
  /** The size of a page that the figures of the report were converted with. */
  page_bytes: number;
  /** The memory of the system. null: the kernel prints it only if it was not a cgroup's limit. */
  memory: ReportMemory | null;
  /** The task table: the processes that the kernel chose from. */
  tasks: ReportTask[];
  /** What the report means. */
  verdict: ReportVerdict;
  /** The message of the panic. null: the kernel did not panic. */
  panic: string | null;
  /** Lines that could not be parsed or believed, safe to print. */
  warnings: string[];
}

/** What many reports of one log have in common. It is the last event. */
export interface OomPatterns extends Envelope {
  type: 'oom.patterns';
  /** Number of reports. */
  reports: number;
  /** Number of killed processes. */
  kills: number;
  /** When the first was killed: RFC 3339. null: no report has a time. */
  first: string | null;
  /** When the last was killed: RFC 3339. null: no report has a time. */
  last: string | null;
  /** Kills in the last 24 hours by the clock of this machine. null: no report has a time. */
  last_24h: number | null;
  /** Kills by the victim's name. */
  by_process: { name: string; count: number }[];
  /** Reports by the cgroup whose limit was hit. */
  by_cgroup: { name: string; count: number }[];
  /** Kills by the victim's systemd unit. */
  by_unit: { name: string; count: number }[];
  /** Kills by the victim's pod. */
  by_pod: { name: string; count: number }[];
  /** Kills by the victim's container. */
  by_container: { name: string; count: number }[];
  /** Reports by what ran out. */
  by_scope: { name: string; count: number }[];
  /** Reports by hour. */
  by_hour: { name: string; count: number }[];
  /** Victims of the same name in the same cgroup, killed more than three times. */
  repeats: {
    /** The name of the victim. */
    comm: string;
    /** Its cgroup, or the cgroup whose limit was hit. */
    cgroup: string | null;
    /** Each time a cgroup's limit was hit. */
    limited: boolean;
    /** Number of kills. */
    count: number;
    /** Its resident memory at the first kill. */
    first_rss_bytes: number | null;
    /** Its resident memory at the last kill. */
    last_rss_bytes: number | null;
    /** It was larger nearly every time. */
    growing: boolean;
    /** Between two kills. null: the reports have no time. */
    median_interval_seconds: number | null;
  }[];
  /** Processes that were larger in a later report than in an earlier one. They are not victims, and may be to blame. */
  growers: { comm: string; pid: number; from_bytes: number; to_bytes: number }[];
  /** Ten kills or more within a minute. `from` is RFC 3339; null: the reports have no time. */
  storms: { from: string | null; duration_seconds: number; kills: number }[];
  /** What follows from it, and why. */
  findings: { do: string; because: string }[];
}
