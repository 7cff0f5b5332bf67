/**
 * The events of memory pressure: stalls, levels and the countdown to the OOM killer; and of memory usage, which is not the
 * same: a full machine may run well, and a half empty one may be stalled.
 *
 * A task is stalled on memory while it waits for memory to be reclaimed, compacted or read back: between the kernel's
 * psi_memstall_enter() and psi_memstall_leave(). Shares are fractions, 0 to 1, of a window of time. `some` is the share in
 * which at least one task was stalled; `full` is the share in which tasks were stalled and none could run.
 */
import type { CgroupOwner } from './container.ts';
import type { Envelope, Int64 } from './envelope.ts';
import type { ProcessName } from './process.ts';

/**
 * Why a task waited.
 * - `direct_reclaim`: the system is short of memory, and the task must reclaim some before it may allocate.
 * - `memcg_limit`: the cgroup of the task is at `memory.max` (v1: `memory.limit_in_bytes`).
 * - `memcg_high`: the task is throttled because its cgroup is above `memory.high`.
 * - `compaction`: memory is free, but not in one piece.
 * - `swap_in`: a page is read back from swap.
 * - `refault`: a page of a file is read again that was evicted shortly before.
 * - `other`: the kernel counts a stall, and the hooks in use cannot tell why.
 */
export type StallCause =
  | 'direct_reclaim'
  | 'memcg_limit'
  | 'memcg_high'
  | 'compaction'
  | 'swap_in'
  | 'refault'
  | 'other';

/** Nanoseconds stalled, by cause. Every cause is there, with 0 if it did not occur. */
export type StallNs = Record<StallCause, number>;

/** What is under pressure: the whole system, or a cgroup and all cgroups below it. */
export interface PressureSubject extends CgroupOwner {
  /** The system has the path "/" and no id. */
  scope: 'system' | 'cgroup';
  /** Path below the mount point of the memory cgroups. */
  path: string;
  /** The id of the cgroup: the inode number of its directory. null: the system, or unknown. */
  id: Int64 | null;
}

/** The task that is or was stalled. */
export interface StalledTask extends ProcessName {
  /** The thread. `comm` is the name of the thread, too. */
  tid: number;
  /** The id of the task's memory cgroup. */
  cgroup_id: Int64;
}

/** A task was stalled for longer than the threshold. */
export interface PressureStall extends Envelope {
  type: 'pressure.stall';
  /** The task that waited. */
  task: StalledTask;
  /** What it waited for. */
  cause: StallCause;
  /** When the stall began, on CLOCK_MONOTONIC. */
  begin_mono_ns: Int64;
  /** How long the stall has lasted so far, or lasted in all. */
  stall_ns: number;
  /** false: the stall is still going on, and the threshold has just passed. */
  finished: boolean;
  /** The kernel stack where the stall began, innermost first: "try_to_free_mem_cgroup_pages+0x1a4". null: not asked for. */
  stack: string[] | null;
}

/** The level of pressure or of usage, as the thresholds divide it. */
export type PressureLevelName = 'normal' | 'low' | 'medium' | 'critical';

/** The shares of one sliding window. */
export interface PressureWindow {
  /** The length of the window. */
  window_seconds: number;
  /** The share in which some task was stalled, 0 to 1. */
  some: number;
  /** The share in which tasks were stalled and none could run, 0 to 1. null: the hooks in use cannot tell. */
  full: number | null;
}

/** The level of pressure changed. An episode begins when it leaves `normal` and ends when it is back. */
export interface PressureLevel extends Envelope {
  type: 'pressure.level';
  /** What is under pressure. */
  subject: PressureSubject;
  /** The level now. */
  level: PressureLevelName;
  /** The level before. */
  previous: PressureLevelName;
  /** The same for all events of one episode. Alerts use it to drop duplicates. */
  episode: string;
  /** All windows, the shortest first. */
  windows: PressureWindow[];
  /** The window whose share decided the level. */
  decided_by_seconds: number;
  /** How long the episode has lasted. When `level` is `normal`: how long it lasted in all. */
  duration_ns: number;
  /** The highest level and the largest shares of the episode so far. */
  peak: { level: PressureLevelName; some: number; full: number | null };
  /** How many stalls the episode has had so far. 0 where PSI is the source, which does not count them. */
  stalls: number;
  /** The time of all stalled tasks together in the episode so far, by cause. PSI as the source has wall time, all `other`. */
  stall_ns: StallNs;
}

/** Reclaim failed again, and the kernel comes closer to calling its OOM killer. */
export interface PressureCountdown extends Envelope {
  type: 'pressure.countdown';
  /** What is out of memory. */
  subject: PressureSubject;
  /** The task whose reclaim failed. */
  task: StalledTask;
  /** Consecutive rounds of reclaim that freed nothing. */
  fruitless_rounds: number;
  /** The number of rounds at which the kernel gives up: MAX_RECLAIM_RETRIES, 16. */
  rounds_until_oom: number;
  /**
   * How many countdowns of this subject were left out since its last event. Within a second only those are emitted that
   * come closer to the end.
   */
  repeated: number;
}

/** The memory of a process that is among the largest, or grows the most. */
export interface ProcessUsage extends ProcessName {
  /** Resident memory. */
  rss_bytes: number;
  /** In swap. null: it was not read. */
  swap_bytes: number | null;
  /** Least squares over the last samples. null: there is only one. */
  growth_bytes_per_second: number | null;
}

/** How fast something grows, and when it will have used up what is left. */
export interface Growth {
  /** Least squares over the last samples. Negative: it shrinks. */
  bytes_per_second: number;
  /** Half of the 95 % confidence interval of `bytes_per_second`. */
  uncertainty_bytes_per_second: number;
  /** When nothing is left, if it goes on like this. null: it does not grow, or nothing limits it. */
  exhausted_in_seconds: number | null;
  /** The same at both ends of the confidence interval, the soonest first. An end is null if it does not grow there. */
  exhausted_in_seconds_range: [number | null, number | null] | null;
}

/** The level of usage changed. */
export interface UsageLevel extends Envelope {
  type: 'memory.usage';
  /** What is full: the system, or a cgroup with a limit. */
  subject: PressureSubject;
  /** The level now. */
  level: PressureLevelName;
  /** The level before. */
  previous: PressureLevelName;
  /** The share in use, 0 to 1: 1 - MemAvailable / MemTotal, or usage without inactive file pages / limit. */
  used: number;
  /** In use, without what the kernel can reclaim first. */
  used_bytes: number;
  /** What is left. */
  available_bytes: number;
  /** MemTotal, or the limit of the cgroup. null: unknown. */
  limit_bytes: number | null;
  /** SwapTotal. null: the subject is a cgroup. */
  swap_total_bytes: number | null;
  /** SwapFree. null: the subject is a cgroup. */
  swap_free_bytes: number | null;
  /** null: there are too few samples. */
  growth: Growth | null;
  /** The five largest processes of the subject. */
  top: ProcessUsage[];
}

/** One moment before a kill. */
export interface LeadUpSample {
  /** Seconds before the kill: negative. */
  at_seconds: number;
  /** In use. null: unknown. */
  usage_bytes: number | null;
  /** What was left. null: unknown. */
  available_bytes: number | null;
  /** The share of the time since the sample before in which some task was stalled, 0 to 1. null: unknown. */
  some: number | null;
  /** The share in which all tasks were. null: unknown. */
  full: number | null;
}

/** The last minute before a kill: how the memory ran out. */
export interface LeadUp {
  /** What ran out: the cgroup whose limit was hit, or the system. */
  subject: PressureSubject;
  /** The oldest first. */
  samples: LeadUpSample[];
  /** null: there are too few samples. */
  growth: Growth | null;
  /** The processes that grew the most, the fastest first. The victim need not be among them. */
  growers: ProcessUsage[];
}
