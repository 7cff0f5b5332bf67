/**
 * The kernel's own report of an OOM, read from its log, and what it means. Where a field has a twin in `oom.kill` it has
 * its name and unit. Everything that the text does not say is null.
 */
import type { CgroupOwner } from './container.ts';
import type { Envelope } from './envelope.ts';
import type { Scope } from './oom-kill.ts';

/** A stretch of a report. */
export type ReportPart = 'head' | 'stack' | 'cgroup' | 'memory' | 'tasks' | 'summary' | 'kill' | 'reaper' | 'panic';

export interface ReportVictimMemory {
  total_vm_bytes: number | null;
  /** Resident: anonymous + file + shared memory. */
  rss_bytes: number | null;
  anon_rss_bytes: number | null;
  file_rss_bytes: number | null;
  /** Before 4.5 it is part of `file_rss_bytes`. */
  shmem_rss_bytes: number | null;
  /** From the task table. */
  swap_bytes: number | null;
  page_tables_bytes: number | null;
}

export interface ReportVictim extends CgroupOwner {
  /** The process; where there is no task table to tell it, the thread, which mostly is the same. */
  pid: number;
  /** What the kernel's log calls pid: the marked thread. */
  tid: number;
  uid: number | null;
  comm: string;
  /** The kernel's words before "Killed process": "Memory cgroup out of memory". */
  reason: string | null;
  oom_score_adj: number | null;
  memory: ReportVictimMemory;
  cgroup: string | null;
  /** What the kernel printed as "score" before 5.1: thousandths of what ran out. */
  score: number | null;
  /** What "oom_reaper: reaped process" said was left. null: the line is not there. */
  reaped: { anon_rss_bytes: number; file_rss_bytes: number; shmem_rss_bytes: number } | null;
}

/** The task that asked for memory when there was none. */
export interface ReportTrigger {
  pid: number | null;
  tid: number | null;
  uid: number | null;
  comm: string;
  gfp_mask: string | null;
  /** The kernel's own names; before 4.6, which printed none, ours. */
  gfp: string | null;
  /** 2^order pages; -1: SysRq-f. */
  order: number | null;
  oom_score_adj: number | null;
  mems_allowed: string | null;
  cpuset: string | null;
  cpu: number | null;
  /** Functions, innermost first; those that the kernel marks as unsure ("? name") left out. */
  stack: string[];
}

/** The cgroup whose limit was hit. */
export interface ReportLimit extends CgroupOwner {
  /** null: only its figures are in the log. */
  path: string | null;
  usage_bytes: number | null;
  /** null: no limit, or not known: see `usage_bytes`. */
  limit_bytes: number | null;
  /** How often the limit was hit ("failcnt"). */
  fail_count: number | null;
  /** cgroup v2. */
  swap_bytes: number | null;
  swap_limit_bytes: number | null;
  /** cgroup v1. */
  memory_and_swap_bytes: number | null;
  memory_and_swap_limit_bytes: number | null;
  kernel_bytes: number | null;
  kernel_limit_bytes: number | null;
  /** Of each group in the report: `memory.stat` as the kernel printed it. Sizes in bytes; what counts events, as it is. */
  stats: { path: string | null; values: Record<string, number> }[];
}

export interface ReportZone {
  node: number;
  /** "Normal" */
  name: string;
  free_bytes: number;
  min_bytes: number;
  low_bytes: number;
  high_bytes: number;
  present_bytes: number | null;
  managed_bytes: number | null;
  /** All figures of the line that are sizes. */
  values: Record<string, number>;
  /** What this zone keeps from allocations that could use a higher one, by zone, in bytes. */
  lowmem_reserve_bytes: number[] | null;
  /** Free blocks by order, from 0. */
  free_blocks: number[] | null;
  all_unreclaimable: boolean | null;
}

export interface ReportMemory {
  /** Whole system: the figures under "Mem-Info:", in bytes. */
  totals: Record<string, number>;
  nodes: { node: number; values: Record<string, number> }[];
  zones: ReportZone[];
  hugepages: { node: number; size_bytes: number; total: number; free: number; surplus: number }[];
  page_cache_bytes: number | null;
  swap_total_bytes: number | null;
  swap_free_bytes: number | null;
  swap_cache_bytes: number | null;
  ram_bytes: number | null;
  reserved_bytes: number | null;
  /** Unreclaimable slab caches; the kernel lists them only when they are more than all user memory. */
  slabs: { name: string; used_bytes: number; total_bytes: number }[];
}

/** A row of the task table. */
export interface ReportTask {
  pid: number;
  tid: number;
  uid: number;
  comm: string;
  total_vm_bytes: number;
  rss_bytes: number;
  anon_rss_bytes: number | null;
  file_rss_bytes: number | null;
  shmem_rss_bytes: number | null;
  page_tables_bytes: number | null;
  swap_bytes: number | null;
  /** Before 2.6.36 it is worked out from oom_adj. */
  oom_score_adj: number;
  /** `oom_badness()` by these figures; null: never chosen (init, adj -1000), or the size of what ran out is not known. */
  badness_pages: number | null;
}

export type ReportCause =
  | 'cgroup_limit'
  | 'ancestor_limit'
  | 'watermark'
  | 'fragmentation'
  | 'zone'
  | 'cpuset'
  | 'mempolicy'
  | 'sysrq'
  | 'unknown';

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
  | 'many_tasks'
  | 'high_order'
  | 'other_node_free'
  | 'spared';

export interface ReportVerdict {
  cause: ReportCause;
  /** Why the allocation failed, in one sentence. */
  why: string;
  /** What made it so, the weightiest first. */
  factors: { factor: ReportFactor; bytes: number | null; text: string }[];
  /** Who held what ran out, the most first. Processes, and kinds of memory that are nobody's. */
  holders: { name: string; pid: number | null; bytes: number; share: number | null }[];
  /** The victim's RSS and swap as a share of what ran out, 0 to 1. */
  victim_share: number | null;
  /** Whom the kernel chose, and by what. */
  choice: string;
  /** Does our `oom_badness()` come to the kernel's choice? null: it cannot be told. */
  choice_agrees: boolean | null;
  /** Victim and culprit need not be the same: who is to blame, as far as a single report can say. */
  culprit: string;
  /** Who would have been chosen if things were set differently. */
  alternatives: { if: string; pid: number; comm: string }[];
  /** The victim's, as its name tells. */
  runtime: string | null;
  advice: { do: string; because: string }[];
}

/** The kernel reported an OOM in its log. `node` is empty where the log does not name it. */
export interface OomReport extends Envelope {
  type: 'oom.report';
  /**
   * Where `time` comes from: a full time stamp, one without year or zone (then this machine's), the time since boot added
   * to the boot of this machine, or, when the log says nothing, the moment of reading. `live`: the kernel was watched.
   */
  time_source: 'log' | 'log_local' | 'boot' | 'reading' | 'live';
  /** The kernel's own stamp. */
  since_boot_seconds: number | null;
  /** "6.12.107+deb13-cloud-amd64" */
  kernel: string | null;
  /** What is there of it, in this order. */
  parts: ReportPart[];
  /** The `oom.kill` it is about. null: read from a log, or that kill was not seen. */
  kill_id: string | null;
  /** Its lines as the kernel printed them, when it was watched doing so; control characters as \x0a. null: read from a log. */
  lines: string[] | null;
  /** What it was read from: a file's name, "-" for standard input, "/dev/kmsg", "journal", "printk:console". */
  input: string;
  /** Where in it the report begins, in bytes (of the unpacked text, if it was packed). */
  offset: number;
  outcome: 'killed' | 'nobody_killable' | 'panic' | 'unknown';
  scope: Scope | null;
  victim: ReportVictim | null;
  /** Killed with it, by `memory.oom.group`. */
  group: ReportVictim[];
  trigger: ReportTrigger | null;
  limit: ReportLimit | null;
  cgroup_version: 1 | 2 | null;
  /** Size of what ran out. Not the victim's size. */
  domain_bytes: number | null;
  badness_pages: number | null;
  nodemask: string | null;
  page_bytes: number;
  memory: ReportMemory | null;
  tasks: ReportTask[];
  verdict: ReportVerdict;
  /** What the kernel said when it panicked. */
  panic: string | null;
  /** Lines that could not be understood or believed, safe to show. */
  warnings: string[];
}

/** Many reports of one log together. Comes last. */
export interface OomPatterns extends Envelope {
  type: 'oom.patterns';
  reports: number;
  kills: number;
  /** RFC 3339; null: no report has a time. */
  first: string | null;
  last: string | null;
  /** Kills, by the clock of this machine; null: no report has a time. */
  last_24h: number | null;
  /** By the victim's name. */
  by_process: { name: string; count: number }[];
  /** By the cgroup whose limit was hit. */
  by_cgroup: { name: string; count: number }[];
  /** By the systemd unit, pod, container of the victim. */
  by_unit: { name: string; count: number }[];
  by_pod: { name: string; count: number }[];
  by_container: { name: string; count: number }[];
  by_scope: { name: string; count: number }[];
  by_hour: { name: string; count: number }[];
  /** The same name in the same place, more than three times. */
  repeats: {
    comm: string;
    cgroup: string | null;
    /** Each time for the limit of a cgroup. */
    limited: boolean;
    count: number;
    first_rss_bytes: number | null;
    last_rss_bytes: number | null;
    /** Larger nearly every time. */
    growing: boolean;
    median_interval_seconds: number | null;
  }[];
  /** Processes that were larger in a later report than in the one before: not victims, and perhaps at fault. */
  growers: { comm: string; pid: number; from_bytes: number; to_bytes: number }[];
  /** Ten kills or more within a minute. */
  storms: { from: string | null; duration_seconds: number; kills: number }[];
  findings: { do: string; because: string }[];
}
