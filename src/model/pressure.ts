/**
 * The events of memory pressure (stalls, levels, and the countdown to the OOM killer) and of memory usage. Pressure and
 * usage differ: a machine with full memory may run well, and tasks may be stalled on a machine that is half empty.
 *
 * A task is stalled on memory while it waits for memory to be reclaimed, compacted or read back: between the kernel's
 * psi_memstall_enter() and psi_memstall_leave(). Shares are fractions, 0 to 1, of a window of time. `some` is the share
 * in which at least one task was stalled; `full` is the share in which tasks were stalled and no task could run.
 */
import type { CgroupOwner } from './container.ts';
import type { Envelope, Int64 } from './envelope.ts';
import type { ProcessName } from './process.ts';

/**
 * Why a task was stalled.
 * - `direct_reclaim`: the system is short of memory, and the task must reclaim some before it may allocate.
 * - `memcg_limit`: the cgroup of the task is at `memory.max` (v1: `memory.limit_in_bytes`).
 * - `memcg_high`: the task is throttled because its cgroup is above `memory.high`.
 * - `compaction`: memory is free, but not as a contiguous block, so the kernel moves pages.
 * - `swap_in`: the task reads a page back from swap.
 * - `refault`: the task reads a page of a file again that was evicted shortly before.
 * - `other`: the kernel counts a stall, but the hooks in use cannot determine the cause.
 */
export type StallCause =
  | 'direct_reclaim'
  | 'memcg_limit'
  | 'memcg_high'
  | 'compaction'
  | 'swap_in'
  | 'refault'
  | 'other';

/** Nanoseconds stalled, by cause. Every cause has a value, 0 if it did not occur. */
export type StallNs = Record<StallCause, number>;

/** The subject of an event: the whole system, or a cgroup together with all cgroups below it. */
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
  /** The thread id. In this object `comm` is the name of the thread, not of the process. */
  tid: number;
  /** The id of the task's memory cgroup. */
  cgroup_id: Int64;
}

/** A task was stalled for longer than the threshold. */
export interface PressureStall extends Envelope {
  type: 'pressure.stall';
  /** The task that was stalled. */
  task: StalledTask;
  /** Why the task was stalled. */
  cause: StallCause;
  /** When the stall began, by CLOCK_MONOTONIC. */
  begin_mono_ns: Int64;
  /** The length of the stall, or its length so far if it is not finished. */
  stall_ns: number;
  /** Whether the stall is over. false: it has just exceeded the threshold and continues. */
  finished: boolean;
  /**
   * The kernel stack where the stall began, innermost first: "try_to_free_mem_cgroup_pages+0x1a4". null: not recorded.
   */
  stack: string[] | null;
}

/** A level of pressure or of usage. Three thresholds separate the four levels. */
export type PressureLevelName = 'normal' | 'low' | 'medium' | 'critical';

/** The shares of stalled time in one sliding window. */
export interface PressureWindow {
  /** The length of the window. */
  window_seconds: number;
  /** The share in which at least one task was stalled, 0 to 1. */
  some: number;
  /** The share in which tasks were stalled and no task could run, 0 to 1. null: the hooks in use cannot measure it. */
  full: number | null;
}

/**
 * The level of pressure changed. An episode begins when the level leaves `normal` and ends when it is `normal` again.
 */
export interface PressureLevel extends Envelope {
  type: 'pressure.level';
  /** The system or cgroup under pressure. */
  subject: PressureSubject;
  /** The level now. */
  level: PressureLevelName;
  /** The level before. */
  previous: PressureLevelName;
  /** The id of the episode, the same for all its events. Alerts use it to drop duplicates. */
  episode: string;
  /** All windows, the shortest first. */
  windows: PressureWindow[];
  /** The window whose share decided the level. */
  decided_by_seconds: number;
  /** How long the episode has lasted. When `level` is `normal`, the length of the whole episode. */
  duration_ns: number;
  /** The highest level and the largest shares of the episode so far. */
  peak: { level: PressureLevelName; some: number; full: number | null };
  /** The number of stalls in the episode so far. 0 if the source is PSI, which does not count stalls. */
  stalls: number;
  /**
   * The sum of the stalled times of all tasks in the episode so far, by cause. If the source is PSI: the time in which
   * at least one task was stalled, all under `other`.
   */
  stall_ns: StallNs;
}

/** Reclaim failed again, which brings the kernel closer to the OOM killer. */
export interface PressureCountdown extends Envelope {
  type: 'pressure.countdown';
  /** The system or cgroup that is out of memory. */
  subject: PressureSubject;
  /** The task whose reclaim failed. */
  task: StalledTask;
  /** Consecutive rounds of reclaim that freed nothing. */
  fruitless_rounds: number;
  /** The number of rounds at which the kernel gives up: MAX_RECLAIM_RETRIES, 16. */
  rounds_until_oom: number;
  /**
   * The number of countdowns of this subject that were dropped since its last event. Within one second a countdown is
   * emitted only if it has more fruitless rounds than the event before.
   */
  repeated: number;
}

/** The memory of one of the largest or fastest growing processes. */
export interface ProcessUsage extends ProcessName {
  /** Resident memory. */
  rss_bytes: number;
  /** Swapped memory. null: it was not read. */
  swap_bytes: number | null;
  /** The growth of RSS and swap, by least squares over the last samples. null: there are too few samples. */
  growth_bytes_per_second: number | null;
}

/** How fast memory usage grows, and when no memory will be left. */
export interface Growth {
  /** The growth by least squares over the last samples. Negative: the usage shrinks. */
  bytes_per_second: number;
  /** Half of the 95 % confidence interval of `bytes_per_second`. */
  uncertainty_bytes_per_second: number;
  /** The time until no memory is left at this growth. null: the usage does not grow, or there is no limit. */
  exhausted_in_seconds: number | null;
  /**
   * The same time for both ends of the confidence interval, the shorter first. null: the usage does not grow at that
   * end.
   */
  exhausted_in_seconds_range: [number | null, number | null] | null;
}

/** The level of usage changed. */
export interface UsageLevel extends Envelope {
  type: 'memory.usage';
  /** The system, or a cgroup with a limit. */
  subject: PressureSubject;
  /** The level now. */
  level: PressureLevelName;
  /** The level before. */
  previous: PressureLevelName;
  /** The share in use, 0 to 1: 1 - MemAvailable / MemTotal, or `used_bytes` / limit for a cgroup. */
  used: number;
  /** Memory in use: MemTotal - MemAvailable, or the usage of the cgroup without inactive file pages. */
  used_bytes: number;
  /**
   * Memory that is left until the first limit is hit: the limit of the cgroup or of an ancestor, or the memory of the
   * system.
   */
  available_bytes: number;
  /** MemTotal, or the limit of the cgroup. null: unknown. */
  limit_bytes: number | null;
  /** SwapTotal. null: the subject is a cgroup. */
  swap_total_bytes: number | null;
  /** SwapFree. null: the subject is a cgroup. */
  swap_free_bytes: number | null;
  /** How fast the usage grows. null: there are too few samples. */
  growth: Growth | null;
  /** The five largest processes of the subject. */
  top: ProcessUsage[];
}

/** One sample of the minute before a kill. */
export interface LeadUpSample {
  /** The time relative to the kill, in seconds: 0 or negative. */
  at_seconds: number;
  /** Memory in use. null: unknown. */
  usage_bytes: number | null;
  /** Memory that was left. null: unknown. */
  available_bytes: number | null;
  /** The share of the time since the previous sample in which at least one task was stalled, 0 to 1. null: unknown. */
  some: number | null;
  /** The share of the same time in which tasks were stalled and no task could run. null: unknown. */
  full: number | null;
}

/** How memory ran out in the minute before a kill. */
export interface LeadUp {
  /** The cgroup whose limit was hit, or the system. */
  subject: PressureSubject;
  /** The samples, the oldest first. */
  samples: LeadUpSample[];
  /** How fast the usage grows. null: there are too few samples. */
  growth: Growth | null;
  /** The processes that grew the most, the fastest first. The victim need not be among them. */
  growers: ProcessUsage[];
}
