/** `oom.kill` and `oom.reaped`: a kill by the kernel's OOM killer, and how its memory came back. */

import type { CgroupOwner } from './container.ts';
import type { Envelope, Int64 } from './envelope.ts';
import type { LeadUp } from './pressure.ts';

/**
 * - `killed`: SIGKILL, then marked as victim.
 * - `already_dying`: marked, not killed: it was exiting and may use the kernel's reserves to finish.
 * - `group_member`: killed because `memory.oom.group` takes the whole cgroup.
 * - `shared_memory`: another process that used the victim's memory; the kernel logs nothing about it.
 */
export type KillKind = 'killed' | 'already_dying' | 'group_member' | 'shared_memory';

/** What ran out: the whole system, a memory cgroup, the nodes of a cpuset or of a memory policy. */
export type Scope = 'system' | 'cgroup' | 'cpuset' | 'mempolicy';

export interface VictimMemory {
  total_vm_bytes: number;
  /** Resident: anonymous + file + shared memory. */
  rss_bytes: number;
  anon_rss_bytes: number;
  file_rss_bytes: number;
  shmem_rss_bytes: number;
  swap_bytes: number;
  page_tables_bytes: number;
  /** The figures above may be off by this much: 0 when the per-CPU counters were summed. */
  error_bound_bytes: number;
  /**
   * The shared part of the kernel's per-CPU counters, where it differs: from 6.2 on to 6.x the kernel's own "Killed process"
   * line has these figures, from 7 on the exact ones.
   */
  approximate: { anon_rss_bytes: number; file_rss_bytes: number; shmem_rss_bytes: number } | null;
}

export interface Victim extends CgroupOwner {
  /** The process (thread group). */
  pid: number;
  /** The thread that the kernel marked, which its log calls pid. */
  tid: number;
  ppid: number | null;
  uid: number | null;
  /** Of the marked thread, as in the kernel's log. */
  comm: string | null;
  /** Of the process. Differs from `comm` when the marked thread has a name of its own. */
  process_comm: string | null;
  exe: string | null;
  /** The arguments. */
  cmdline: string[] | null;
  cmdline_truncated: boolean;
  /** Since boot, in clock ticks: field 22 of /proc/PID/stat. With `pid` it names the process for good. */
  start_ticks: number | null;
  threads: number | null;
  oom_score_adj: number | null;
  memory: VictimMemory | null;
  /** Path of its memory cgroup. */
  cgroup: string | null;
  /** Hexadecimal bytes of those names above that are not valid UTF-8 and are shown with U+FFFD. */
  raw: { comm?: string; process_comm?: string; exe?: string; cmdline?: string } | null;
}

/** The task that asked for memory when there was none. */
export interface Trigger {
  pid: number;
  tid: number;
  uid: number | null;
  comm: string;
  start_ticks: number;
  /** What it asked for, as "0xcc0". */
  gfp_mask: string | null;
  /** As "GFP_KERNEL|__GFP_COMP". */
  gfp: string | null;
  /** 2^order pages; -1: not an allocation but SysRq-f. */
  order: number | null;
  /**
   * Where gfp and order were read: the kernel's `oom_control` (exact), or the trigger's last reclaim, whose mask lacks
   * some flags.
   */
  gfp_source: 'oom_control' | 'reclaim' | null;
  cgroup_id: Int64 | null;
  /** NUMA nodes that it may use, as "0-1". Of the first 64. */
  mems_allowed: string | null;
}

/** One memory cgroup at the moment of the kill. */
export interface CgroupUsage {
  path: string;
  id: Int64;
  usage_bytes: number;
  /** null: no limit. */
  limit_bytes: number | null;
  /** cgroup v2: swap. */
  swap_bytes: number | null;
  swap_limit_bytes: number | null;
  /** cgroup v1: memory and swap together. */
  memory_and_swap_bytes: number | null;
  memory_and_swap_limit_bytes: number | null;
  /** `memory.oom.group` is set. */
  oom_group: boolean;
}

/** The cgroup whose limit was hit, and whose that is: a container's own, or a pod's or slice's above it. */
export interface LimitCgroup extends CgroupUsage, CgroupOwner {}

export interface PressureAverages {
  avg10: number;
  avg60: number;
  avg300: number;
  total_ns: number;
}

/** The machine when the event was handled, `age_ns` after it happened. */
export interface SystemState {
  age_ns: number;
  load_1m: number | null;
  load_5m: number | null;
  load_15m: number | null;
  pressure: { some: PressureAverages; full: PressureAverages } | null;
  meminfo: {
    total_bytes: number;
    free_bytes: number;
    available_bytes: number;
    swap_total_bytes: number;
    swap_free_bytes: number;
    anon_bytes: number;
    shmem_bytes: number;
    slab_unreclaimable_bytes: number;
  } | null;
}

/** A process that the kernel could have killed, as its own choice saw it. */
export interface Candidate {
  pid: number;
  uid: number;
  comm: string;
  oom_score_adj: number;
  /** `oom_badness()`: RSS, swap and page tables, plus oom_score_adj thousandths of what ran out. */
  badness_pages: number;
  rss_bytes: number;
  swap_bytes: number;
  page_tables_bytes: number;
}

/** A process was killed, or marked, by the kernel's OOM killer. */
export interface OomKill extends Envelope {
  type: 'oom.kill';
  kind: KillKind;
  victim: Victim;
  trigger: Trigger;
  /** null: the kernel's account was not seen, and nothing points to one scope. */
  scope: Scope | null;
  /** The cgroup whose limit was hit; null when it was not a cgroup's limit. */
  limit: LimitCgroup | null;
  /** true: `limit` was worked out from usage and limits, not told by the kernel. */
  limit_inferred: boolean;
  /** The victim's memory cgroup, then its parents up to the root. */
  cgroups: CgroupUsage[];
  cgroup_version: 1 | 2 | null;
  /** Size of what ran out: limit and swap of the cgroup, or RAM and swap. Not the victim's size. */
  domain_bytes: number | null;
  /** The kernel's badness of the victim, in pages. */
  badness_pages: number | null;
  /**
   * The ten highest that the kernel chose from, first its choice. null: not asked for; by default only for kills that are
   * not for a cgroup's limit.
   */
  candidates: Candidate[] | null;
  /** How many processes were in the running. */
  candidates_considered: number | null;
  /** NUMA nodes that the allocation was bound to, as "0". */
  nodemask: string | null;
  /** From SIGKILL to the mark. null: no SIGKILL was sent. */
  signal_to_mark_ns: number | null;
  system: SystemState;
  /** The minute before. null: not recorded. */
  lead_up: LeadUp | null;
  /** `live`: everything was read; `partial`: what `missing` names was not; `lost`: only a pid is known. */
  enrichment: 'live' | 'partial' | 'lost';
  missing: string[];
}

/** How the memory came back after a kill. Times count from the mark. */
export interface OomReaped extends Envelope {
  type: 'oom.reaped';
  victim: { pid: number; tid: number; comm: string | null; start_ticks: number | null };
  /** Of the `oom.kill`. */
  kill_id: string;
  /**
   * - `exited`: it left by itself, and its memory with it.
   * - `reaped`: the OOM reaper took its memory first.
   * - `unfinished`: neither was seen in time, or the tracer was closed.
   */
  outcome: 'exited' | 'reaped' | 'unfinished';
  /** The reaper tried and gave up, at least once. */
  reaper_skipped: boolean;
  mark_to_signal_ns: number | null;
  mark_to_exit_ns: number | null;
  mark_to_reaper_wake_ns: number | null;
  mark_to_reaper_start_ns: number | null;
  mark_to_reaper_finish_ns: number | null;
  mark_to_memory_back_ns: number | null;
  /** Usage of the cgroup whose limit was hit: at the kill, and when the memory was back. */
  limit_usage_before_bytes: number | null;
  limit_usage_after_bytes: number | null;
}
