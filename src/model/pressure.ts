/**
 * The events of memory pressure: stalls, levels, the countdown to the OOM killer, and usage, which is another thing.
 *
 * A task is stalled on memory while it waits for memory to be reclaimed, compacted or read back: what the kernel's
 * psi_memstall_enter() and psi_memstall_leave() enclose. Shares are fractions, 0 to 1, of a window of time:
 * `some`, that at least one task was stalled; `full`, that tasks were stalled and none could run.
 */
import type { CgroupOwner } from './container.ts';
import type { Envelope, Int64 } from './envelope.ts';

/**
 * Why a task waited.
 * - `direct_reclaim`: the system is short, and the task reclaims by itself before it may allocate.
 * - `memcg_limit`: its cgroup is at `memory.max` (v1: `memory.limit_in_bytes`).
 * - `memcg_high`: throttled for being above `memory.high`.
 * - `compaction`: memory is free, but not in one piece.
 * - `swap_in`: a page is read back from swap.
 * - `refault`: a page of a file that was evicted a moment ago is read again.
 * - `other`: in a stall by the kernel's own account, and the hooks in use cannot tell why.
 */
export type StallCause =
  | 'direct_reclaim'
  | 'memcg_limit'
  | 'memcg_high'
  | 'compaction'
  | 'swap_in'
  | 'refault'
  | 'other';

/** Nanoseconds by cause; every cause is named. */
export type StallNs = Record<StallCause, number>;

/** Whose pressure it is: the whole system's (path "/", id null), or that of a cgroup and all below it. */
export interface PressureSubject extends CgroupOwner {
  scope: 'system' | 'cgroup';
  /** Path below the mount point of the memory cgroups. */
  path: string;
  id: Int64 | null;
}

/** The task of a stall. */
export interface StalledTask extends CgroupOwner {
  pid: number;
  tid: number;
  comm: string;
  start_ticks: number;
  cgroup: string | null;
  cgroup_id: Int64;
}

/** One stall that lasted longer than the threshold. */
export interface PressureStall extends Envelope {
  type: 'pressure.stall';
  task: StalledTask;
  cause: StallCause;
  /** CLOCK_MONOTONIC when it began. */
  begin_mono_ns: Int64;
  /** How long it has lasted, or did last. */
  stall_ns: number;
  /** false: it is still going on; the threshold has just passed. */
  finished: boolean;
  /** Where in the kernel, innermost first, as "try_to_free_mem_cgroup_pages+0x1a4". null: not asked for. */
  stack: string[] | null;
}

export type PressureLevelName = 'normal' | 'low' | 'medium' | 'critical';

/** The share of one sliding window. */
export interface PressureWindow {
  window_seconds: number;
  some: number;
  /** null: the hooks in use cannot tell. */
  full: number | null;
}

/** The level of pressure changed, somewhere. An episode starts when it leaves `normal` and ends when it is back. */
export interface PressureLevel extends Envelope {
  type: 'pressure.level';
  subject: PressureSubject;
  level: PressureLevelName;
  previous: PressureLevelName;
  /** The same for every event of one episode: alerts are de-duplicated by it. */
  episode: string;
  /** Every window, the shortest first; the one that decided is `decided_by_seconds`. */
  windows: PressureWindow[];
  decided_by_seconds: number;
  /** Since the episode began. On the event that ends it (`level` is `normal`) these are its totals. */
  duration_ns: number;
  peak: { level: PressureLevelName; some: number; full: number | null };
  stalls: number;
  stall_ns: StallNs;
}

/** The kernel comes closer to calling its OOM killer: one event for each reclaim in vain worth saying. */
export interface PressureCountdown extends Envelope {
  type: 'pressure.countdown';
  subject: PressureSubject;
  task: StalledTask;
  /** Consecutive rounds that reclaimed nothing. */
  fruitless_rounds: number;
  /** At which the kernel gives up: MAX_RECLAIM_RETRIES, 16. */
  rounds_until_oom: number;
  /**
   * How many more there were of this subject since the last one that was said, and no higher: within a second only what
   * comes closer to the end is said.
   */
  repeated: number;
}

/** A process among the largest, or among those that grow the most. */
export interface ProcessUsage extends CgroupOwner {
  pid: number;
  start_ticks: number;
  comm: string;
  cgroup: string | null;
  rss_bytes: number;
  swap_bytes: number | null;
  /** Bytes a second, least squares over the last samples. null: seen once. */
  growth_bytes_per_second: number | null;
}

/** How fast it grows, and when what is left is gone if it goes on so. */
export interface Growth {
  bytes_per_second: number;
  /** Half of the 95 % interval of the slope. */
  uncertainty_bytes_per_second: number;
  /** null: it does not grow, or has no limit. */
  exhausted_in_seconds: number | null;
  /** With the slope at both ends of its interval; an end is null when it then does not grow. */
  exhausted_in_seconds_range: [number | null, number | null] | null;
}

/** How much is used, which is not pressure: a machine may be full and at ease, or half empty and stalled. */
export interface UsageLevel extends Envelope {
  type: 'memory.usage';
  subject: PressureSubject;
  level: PressureLevelName;
  previous: PressureLevelName;
  /** Fraction of what may be used: 1 - MemAvailable / MemTotal, or usage without inactive file pages / limit. */
  used: number;
  used_bytes: number;
  available_bytes: number;
  limit_bytes: number | null;
  swap_total_bytes: number | null;
  swap_free_bytes: number | null;
  growth: Growth | null;
  /** The five largest processes of the subject. */
  top: ProcessUsage[];
}

/** One moment before a kill. */
export interface LeadUpSample {
  /** Seconds before the kill, negative. */
  at_seconds: number;
  usage_bytes: number | null;
  available_bytes: number | null;
  some: number | null;
  full: number | null;
}

/** The last minute before a kill, of what ran out: the cgroup whose limit was hit, or the system. */
export interface LeadUp {
  subject: PressureSubject;
  samples: LeadUpSample[];
  growth: Growth | null;
  /** Who grew the most, the fastest first. The victim need not be among them. */
  growers: ProcessUsage[];
}
