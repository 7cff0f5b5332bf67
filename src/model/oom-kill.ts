/** The events `oom.kill` and `oom.reaped`: a kill by the kernel's OOM killer, and how the victim's memory was freed. */

import type { CgroupComposition, CgroupUsage, LimitCgroup } from './cgroup-usage.ts';
import type { CgroupOwner, Container } from './container.ts';
import type { Envelope, Int64 } from './envelope.ts';
import type { LeadUp } from './pressure.ts';
import type { ProcessId, ResidentMemory } from './process.ts';

/**
 * What the kernel did to the process.
 * - `killed`: it sent SIGKILL, then marked the process as its victim.
 * - `already_dying`: it sent no signal. The process was exiting and was only marked, so that it may use the kernel's
 *   memory reserves to finish.
 * - `group_member`: it killed the process because `memory.oom.group` is set, which makes it kill all processes of the
 *   cgroup.
 * - `shared_memory`: it killed the process because the process shared the victim's memory map (mm_struct). The kernel
 *   does not log these kills.
 */
export type KillKind = 'killed' | 'already_dying' | 'group_member' | 'shared_memory';

/** What ran out of memory: the system, a memory cgroup, or the NUMA nodes of a cpuset or a memory policy. */
export type Scope = 'system' | 'cgroup' | 'cpuset' | 'mempolicy';

/** The victim's memory at the kill. */
export interface VictimMemory extends ResidentMemory {
  /** Size of the virtual address space. */
  total_vm_bytes: number;
  /** Swapped memory. */
  swap_bytes: number;
  /** Size of the page tables. */
  page_tables_bytes: number;
  /**
   * The largest possible error of each resident figure. 0: the per-CPU counters were summed, so the figures are exact.
   */
  error_bound_bytes: number;
  /**
   * The figures without the not yet added parts of the per-CPU counters. null: they do not differ from the exact
   * figures. The kernel's own "Killed process" line has these figures from Linux 6.2 to 6.x, and the exact figures from
   * 7.0 on.
   */
  approximate: { anon_rss_bytes: number; file_rss_bytes: number; shmem_rss_bytes: number } | null;
}

/** The process that the kernel killed, or marked as its victim. */
export interface Victim extends CgroupOwner {
  /** The process id (the id of the thread group). */
  pid: number;
  /**
   * The id of the thread that the kernel marked as its victim (mark_oom_victim()). The kernel's log calls this id
   * "pid".
   */
  tid: number;
  /** The process id of the parent. null: unknown. */
  ppid: number | null;
  /** The real user id. null: unknown. */
  uid: number | null;
  /** The name of the marked thread, as in the kernel's log. null: unknown. */
  comm: string | null;
  /** The name of the process. It differs from `comm` when the marked thread has a name of its own. null: unknown. */
  process_comm: string | null;
  /** The path of the program. null: unknown. */
  exe: string | null;
  /** The arguments, the program's name first. null: unknown. */
  cmdline: string[] | null;
  /** Whether the end of `cmdline` is missing. */
  cmdline_truncated: boolean;
  /**
   * When the process started, in clock ticks (1/100 s) since boot: field 22 of /proc/PID/stat. Together with `pid` it
   * identifies the process even after the kernel has reused the pid. null: unknown.
   */
  start_ticks: number | null;
  /** The number of threads. null: unknown. */
  threads: number | null;
  /** The process's oom_score_adj, -1000 to 1000. null: unknown. */
  oom_score_adj: number | null;
  /** The victim's memory at the kill. null: the process had already freed its memory, or the figures are unknown. */
  memory: VictimMemory | null;
  /**
   * The process id in each pid namespace of the process, from the initial namespace to its own, like `NSpid` in
   * /proc/PID/status. The last one is the pid that programs in its container see. Empty: unknown.
   */
  namespace_pids: number[];
  /** The path of the victim's memory cgroup. null: unknown. */
  cgroup: string | null;
  /**
   * The containers inside `container`, the innermost first, if containers run in a container (kind, Docker in Docker).
   * They are known only from the path of the cgroup, whose names inside a container its processes choose.
   */
  inner_containers: Container[];
  /**
   * The bytes, in hexadecimal, of the names that are not valid UTF-8 and contain U+FFFD above. null: all names are
   * valid.
   */
  raw: { comm?: string; process_comm?: string; exe?: string; cmdline?: string; cgroup?: string } | null;
}

/** The task whose memory allocation invoked the OOM killer. */
export interface Trigger extends ProcessId {
  /** The thread id. */
  tid: number;
  /** The real user id. null: unknown. */
  uid: number | null;
  /** The name of the thread. */
  comm: string;
  /** The flags of the allocation: "0xcc0". null: unknown. */
  gfp_mask: string | null;
  /** The same flags by name: "GFP_KERNEL|__GFP_COMP". null: unknown. */
  gfp: string | null;
  /** The allocation's order: it requested 2^order pages. -1: SysRq-f invoked the OOM killer. null: unknown. */
  order: number | null;
  /**
   * The source of `gfp` and `order`: the kernel's `struct oom_control`, which is exact, or the last reclaim of the
   * task, whose mask lacks some flags. null: neither could be read.
   */
  gfp_source: 'oom_control' | 'reclaim' | null;
  /** The id of the task's memory cgroup. null: unknown. */
  cgroup_id: Int64 | null;
  /** The NUMA nodes among the first 64 that the task may use: "0-1". null: unknown. */
  mems_allowed: string | null;
}

/** One line of /proc/pressure/memory or of a cgroup's memory.pressure: `some` or `full`. */
export interface PressureAverages {
  /** Percent of the last 10 seconds in which tasks were stalled, as the kernel prints it. */
  avg10: number;
  /** The same for the last 60 seconds. */
  avg60: number;
  /** The same for the last 300 seconds. */
  avg300: number;
  /** The time stalled since boot or since the cgroup was created, in nanoseconds. The kernel counts microseconds. */
  total_ns: number;
}

/** The state of the machine when oomscope handled the event. */
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
  /** Values from /proc/meminfo. null: it could not be read. */
  meminfo: {
    /** MemTotal. */
    total_bytes: number;
    /** MemFree. */
    free_bytes: number;
    /** MemAvailable: free memory and memory that can be reclaimed without swapping. */
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

/** A process that the kernel could have killed, with the figures on which the kernel's choice depends. */
export interface Candidate extends CgroupOwner {
  /** The process id. */
  pid: number;
  /** The real user id. */
  uid: number;
  /** The name of the process. */
  comm: string;
  /** The process's oom_score_adj, -1000 to 1000. */
  oom_score_adj: number;
  /** `oom_badness()`, in pages: RSS + swap + page tables + `oom_score_adj` / 1000 × the memory that ran out. */
  badness_pages: number;
  /** Resident memory. */
  rss_bytes: number;
  /** Swapped memory. */
  swap_bytes: number;
  /** Size of the page tables. */
  page_tables_bytes: number;
  /** The path of the process's memory cgroup, read when the kill was handled. null: the process has exited. */
  cgroup: string | null;
}

/** The kernel's OOM killer killed a process, or marked a process that was already exiting. */
export interface OomKill extends Envelope {
  type: 'oom.kill';
  /** What the kernel did to the process. */
  kind: KillKind;
  /** The process that was killed or marked. */
  victim: Victim;
  /** The task whose memory allocation invoked the OOM killer. */
  trigger: Trigger;
  /**
   * Whose memory ran out. null: the kernel's `struct oom_control` could not be read, and no cgroup was at its limit.
   */
  scope: Scope | null;
  /** The cgroup whose limit was hit. null: no cgroup's limit was hit, or the cgroup is unknown. */
  limit: LimitCgroup | null;
  /** Whether oomscope inferred `limit` from usage and limits. false: `limit` was read from the kernel. */
  limit_inferred: boolean;
  /** What the memory of `limit` consists of. null: no cgroup's limit was hit, or the figures could not be read. */
  composition: CgroupComposition | null;
  /** The victim's memory cgroup, then the cgroups above it up to the root. Empty: unknown. */
  cgroups: CgroupUsage[];
  /** The version of the cgroup hierarchy that has the memory controller. null: unknown. */
  cgroup_version: 1 | 2 | null;
  /** The size of the memory that ran out: limit and swap of the cgroup, or RAM and swap. null: unknown. */
  domain_bytes: number | null;
  /**
   * The victim's `oom_badness()`, in pages. It is below 0 when a negative oom_score_adj outweighs the memory. null:
   * unknown, or the kernel did not compute it, as with sysctl vm.oom_kill_allocating_task and for a task in swapoff(2).
   */
  badness_pages: number | null;
  /**
   * The ten processes with the highest badness, the kernel's choice first. null: not recorded. By default candidates
   * are recorded only for kills without a cgroup's limit.
   */
  candidates: Candidate[] | null;
  /** The number of processes that the kernel chose from. null: not recorded. */
  candidates_considered: number | null;
  /** The NUMA nodes that the allocation was bound to: "0". null: it was not bound, or the nodes are unknown. */
  nodemask: string | null;
  /** From SIGKILL until the kernel marked the victim (mark_oom_victim()). null: no SIGKILL was sent. */
  signal_to_mark_ns: number | null;
  /** The state of the machine when oomscope handled the event. */
  system: SystemState;
  /** Samples of the minute before the kill. null: there are no samples. */
  lead_up: LeadUp | null;
  /** `live`: all fields were read. `partial`: the fields in `missing` were not read. `lost`: only the pid is known. */
  enrichment: 'live' | 'partial' | 'lost';
  /** The fields that could not be read: "victim.exe". */
  missing: string[];
}

/** The victim's memory was freed, or not within 30 seconds. All times count from mark_oom_victim(). */
export interface OomReaped extends Envelope {
  type: 'oom.reaped';
  /** The victim of the `oom.kill` event; the fields have the same meaning there. */
  victim: { pid: number; tid: number; comm: string | null; start_ticks: number | null };
  /** The `id` of the `oom.kill` event. */
  kill_id: string;
  /**
   * - `exited`: the process exited and freed its memory itself.
   * - `reaped`: the kernel's OOM reaper freed the memory before the process exited.
   * - `unfinished`: neither happened within 30 seconds, or the tracer was closed before.
   */
  outcome: 'exited' | 'reaped' | 'unfinished';
  /** Whether the outcome is `unfinished` only because the tracer was closed before 30 seconds had passed. */
  cut_short: boolean;
  /** Whether the OOM reaper gave up at least once. */
  reaper_skipped: boolean;
  /** The time of SIGKILL: 0 or negative, because the kernel signals before it marks. null: no SIGKILL was sent. */
  mark_to_signal_ns: number | null;
  /** The time of the process's exit. null: no exit was seen. */
  mark_to_exit_ns: number | null;
  /** The time at which the OOM reaper was woken. null: it was not woken. */
  mark_to_reaper_wake_ns: number | null;
  /** The time at which the OOM reaper began with the victim. null: it did not begin. */
  mark_to_reaper_start_ns: number | null;
  /** The time at which the OOM reaper finished with the victim. null: it did not finish. */
  mark_to_reaper_finish_ns: number | null;
  /** The time at which the memory was free, by the exit or by the reaper, whichever was first. null: not seen. */
  mark_to_memory_back_ns: number | null;
  /** The usage, at the kill, of the cgroup whose limit was hit. null: no cgroup's limit was hit. */
  limit_usage_before_bytes: number | null;
  /**
   * The usage of the same cgroup when the memory was free. null: no cgroup's limit was hit, or the end was not seen.
   */
  limit_usage_after_bytes: number | null;
}
