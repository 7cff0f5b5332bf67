/** `oom.kill` and `oom.reaped`: a kill by the kernel's OOM killer, and how its memory came back. */

import type { CgroupOwner } from './container.ts';
import type { Envelope, Int64 } from './envelope.ts';
import type { LeadUp } from './pressure.ts';
import type { ProcessId, ResidentMemory } from './process.ts';

/**
 * What the kernel did to the process.
 * - `killed`: it sent SIGKILL, then marked the process as its victim.
 * - `already_dying`: it sent no signal. The process was exiting and was only marked, so that it may use the kernel's memory
 *   reserves to finish.
 * - `group_member`: it killed the process because `memory.oom.group` takes the whole cgroup.
 * - `shared_memory`: it killed the process because it used the victim's memory map. The kernel does not log these.
 */
export type KillKind = 'killed' | 'already_dying' | 'group_member' | 'shared_memory';

/** What ran out: the whole system, a memory cgroup, the nodes of a cpuset, or the nodes of a memory policy. */
export type Scope = 'system' | 'cgroup' | 'cpuset' | 'mempolicy';

/** The victim's memory at the kill. */
export interface VictimMemory extends ResidentMemory {
  /** Size of the virtual address space. */
  total_vm_bytes: number;
  /** In swap. */
  swap_bytes: number;
  /** Size of the page tables. */
  page_tables_bytes: number;
  /** The resident figures may be off by this much. 0: the per-CPU counters were summed, and they are exact. */
  error_bound_bytes: number;
  /**
   * The shared part of the kernel's per-CPU counters. null: it does not differ from the exact figures. The kernel's own
   * "Killed process" line has these from Linux 6.2 to 6.x, and the exact ones from 7.0 on.
   */
  approximate: { anon_rss_bytes: number; file_rss_bytes: number; shmem_rss_bytes: number } | null;
}

/** The process that the kernel killed, or marked as its victim. */
export interface Victim extends CgroupOwner {
  /** The process id (of the thread group). */
  pid: number;
  /** The thread that the kernel marked as its victim (mark_oom_victim()). The kernel's log calls this pid. */
  tid: number;
  /** The process id of the parent. null: unknown. */
  ppid: number | null;
  /** The real user id. null: unknown. */
  uid: number | null;
  /** The name of the marked thread, as in the kernel's log. null: unknown. */
  comm: string | null;
  /** The name of the process. It differs from `comm` when the marked thread has a name of its own. null: unknown. */
  process_comm: string | null;
  /** Path of the program. null: unknown. */
  exe: string | null;
  /** The arguments, the program's name first. null: unknown. */
  cmdline: string[] | null;
  /** true: the end of `cmdline` is missing. */
  cmdline_truncated: boolean;
  /**
   * When the process started, in clock ticks (1/100 s) since boot: field 22 of /proc/PID/stat. Together with `pid` it
   * names the process for good. null: unknown.
   */
  start_ticks: number | null;
  /** Number of its threads. null: unknown. */
  threads: number | null;
  /** -1000 to 1000. null: unknown. */
  oom_score_adj: number | null;
  /** Its memory at the kill. null: the process had given it up already, or it is unknown. */
  memory: VictimMemory | null;
  /** Path of its memory cgroup. null: unknown. */
  cgroup: string | null;
  /** The bytes, in hexadecimal, of those names that are not valid UTF-8 and are shown with U+FFFD. null: all are valid. */
  raw: { comm?: string; process_comm?: string; exe?: string; cmdline?: string } | null;
}

/** The task that asked for memory when there was none. */
export interface Trigger extends ProcessId {
  /** The thread. */
  tid: number;
  /** The real user id. null: unknown. */
  uid: number | null;
  /** The name of the thread. */
  comm: string;
  /** The flags of the allocation, as "0xcc0". null: unknown. */
  gfp_mask: string | null;
  /** The same flags by name, as "GFP_KERNEL|__GFP_COMP". null: unknown. */
  gfp: string | null;
  /** The allocation was of 2^order pages. -1: SysRq-f asked for the kill. null: unknown. */
  order: number | null;
  /**
   * Where `gfp` and `order` were read: in the kernel's `oom_control`, which is exact, or in the trigger's last reclaim, whose
   * mask lacks some flags. null: nowhere.
   */
  gfp_source: 'oom_control' | 'reclaim' | null;
  /** Id of the memory cgroup of the task. null: unknown. */
  cgroup_id: Int64 | null;
  /** The NUMA nodes that the task may use, of the first 64: "0-1". null: unknown. */
  mems_allowed: string | null;
}

/** One memory cgroup at the moment of the kill. */
export interface CgroupUsage {
  /** Path below the mount point of the memory cgroups. */
  path: string;
  /** The id: the inode number of its directory. */
  id: Int64;
  /** Memory that is charged to it and to the cgroups below it. */
  usage_bytes: number;
  /** null: it has no limit. */
  limit_bytes: number | null;
  /** cgroup v2: swap in use. null: v1. */
  swap_bytes: number | null;
  /** cgroup v2: the limit of swap. null: none, or v1. */
  swap_limit_bytes: number | null;
  /** cgroup v1: memory and swap together. null: v2. */
  memory_and_swap_bytes: number | null;
  /** cgroup v1: the limit of memory and swap together. null: none, or v2. */
  memory_and_swap_limit_bytes: number | null;
  /** `memory.oom.group` is set: the kernel kills the whole cgroup. */
  oom_group: boolean;
}

/** The cgroup whose limit was hit, and its owner: a container's own cgroup, or that of a pod or slice above it. */
export interface LimitCgroup extends CgroupUsage, CgroupOwner {}

/** Averages and total of /proc/pressure/memory or of a cgroup's memory.pressure. */
export interface PressureAverages {
  /** Percent of the last 10 seconds, as the kernel prints it. */
  avg10: number;
  /** Percent of the last 60 seconds. */
  avg60: number;
  /** Percent of the last 300 seconds. */
  avg300: number;
  /** Time stalled since boot, in nanoseconds. The kernel counts microseconds. */
  total_ns: number;
}

/** The state of the machine when the event was handled. */
export interface SystemState {
  /** How long after the event the state was read, in nanoseconds. */
  age_ns: number;
  /** Load average of the last minute. null: unknown. */
  load_1m: number | null;
  /** Load average of the last five minutes. null: unknown. */
  load_5m: number | null;
  /** Load average of the last fifteen minutes. null: unknown. */
  load_15m: number | null;
  /** /proc/pressure/memory. null: the kernel has no PSI, or PSI is switched off. */
  pressure: { some: PressureAverages; full: PressureAverages } | null;
  /** Of /proc/meminfo. null: it could not be read. */
  meminfo: {
    /** MemTotal. */
    total_bytes: number;
    /** MemFree. */
    free_bytes: number;
    /** MemAvailable: free memory and what can be reclaimed without swapping. */
    available_bytes: number;
    /** SwapTotal. */
    swap_total_bytes: number;
    /** SwapFree. */
    swap_free_bytes: number;
    /** AnonPages. */
    anon_bytes: number;
    /** Shmem: shared memory and tmpfs. */
    shmem_bytes: number;
    /** SUnreclaim: kernel objects that cannot be reclaimed. */
    slab_unreclaimable_bytes: number;
  } | null;
}

/** A process that the kernel could have killed, with the figures that its choice was made on. */
export interface Candidate {
  /** The process id. */
  pid: number;
  /** The real user id. */
  uid: number;
  /** The name of the process. */
  comm: string;
  /** -1000 to 1000. */
  oom_score_adj: number;
  /** `oom_badness()`, in pages: RSS, swap and page tables, plus `oom_score_adj` thousandths of what ran out. */
  badness_pages: number;
  /** Resident memory. */
  rss_bytes: number;
  /** In swap. */
  swap_bytes: number;
  /** Size of the page tables. */
  page_tables_bytes: number;
}

/** The kernel's OOM killer killed a process, or marked one that was dying already. */
export interface OomKill extends Envelope {
  type: 'oom.kill';
  /** What the kernel did to the process. */
  kind: KillKind;
  /** The process that was killed or marked. */
  victim: Victim;
  /** The task that asked for memory when there was none. */
  trigger: Trigger;
  /** What ran out. null: the kernel's `oom_control` could not be read, and no limit was hit. */
  scope: Scope | null;
  /** The cgroup whose limit was hit. null: it was not a cgroup's limit, or it is unknown. */
  limit: LimitCgroup | null;
  /** true: `limit` was worked out from usage and limits. false: the kernel said so. */
  limit_inferred: boolean;
  /** The victim's memory cgroup, then its parents up to the root. Empty: unknown. */
  cgroups: CgroupUsage[];
  /** The hierarchy that has the memory controller. null: unknown. */
  cgroup_version: 1 | 2 | null;
  /** Size of what ran out: limit and swap of the cgroup, or RAM and swap. Not the size of the victim. null: unknown. */
  domain_bytes: number | null;
  /**
   * The victim's `oom_badness()`, in pages. It is below 0 when a negative oom_score_adj outweighs the memory. null: unknown,
   * or the kernel did not weigh its victim, as with sysctl vm.oom_kill_allocating_task and for a task in swapoff(2).
   */
  badness_pages: number | null;
  /**
   * The ten highest that the kernel chose from, its choice first. null: not asked for. By default it comes only with kills
   * that are not for a cgroup's limit.
   */
  candidates: Candidate[] | null;
  /** How many processes the kernel chose from. null: not asked for. */
  candidates_considered: number | null;
  /** The NUMA nodes that the allocation was bound to, as "0". null: none, or unknown. */
  nodemask: string | null;
  /** From SIGKILL to the mark, in nanoseconds. null: no SIGKILL was sent. */
  signal_to_mark_ns: number | null;
  /** The machine when the event was handled. */
  system: SystemState;
  /** The minute before the kill. null: it was not recorded. */
  lead_up: LeadUp | null;
  /** `live`: everything was read. `partial`: what `missing` names was not. `lost`: only the pid is known. */
  enrichment: 'live' | 'partial' | 'lost';
  /** The fields that could not be read: "victim.exe". */
  missing: string[];
}

/** The victim's memory is back, or did not come back in time. Times count from the mark, in nanoseconds. */
export interface OomReaped extends Envelope {
  type: 'oom.reaped';
  /** The victim of the `oom.kill`: its fields of the same names. */
  victim: { pid: number; tid: number; comm: string | null; start_ticks: number | null };
  /** The `id` of the `oom.kill`. */
  kill_id: string;
  /**
   * - `exited`: the process exited, and freed its memory itself.
   * - `reaped`: the OOM reaper freed its memory first.
   * - `unfinished`: neither happened within 30 seconds, or the tracer was closed.
   */
  outcome: 'exited' | 'reaped' | 'unfinished';
  /** The reaper tried and gave up at least once. */
  reaper_skipped: boolean;
  /** To SIGKILL: 0 or below, since the kernel signals first. null: no SIGKILL was sent. */
  mark_to_signal_ns: number | null;
  /** To the exit of the process. null: it was not seen. */
  mark_to_exit_ns: number | null;
  /** Until the OOM reaper was woken. null: it was not. */
  mark_to_reaper_wake_ns: number | null;
  /** Until the OOM reaper began. null: it did not. */
  mark_to_reaper_start_ns: number | null;
  /** Until the OOM reaper was done. null: it was not. */
  mark_to_reaper_finish_ns: number | null;
  /** Until the memory was back, by exit or by the reaper, whichever was first. null: it was not seen. */
  mark_to_memory_back_ns: number | null;
  /** Usage of the cgroup whose limit was hit, at the kill. null: it was not a cgroup's limit. */
  limit_usage_before_bytes: number | null;
  /** Usage of the same cgroup when the memory was back. null: it was not a cgroup's limit, or was not seen. */
  limit_usage_after_bytes: number | null;
}
