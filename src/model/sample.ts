/**
 * One look at the machine: all that the guard's policy is given to decide on, and what `oomscope record` writes, one JSON
 * object a line. Sizes are bytes, shares of time percent as the kernel prints them; `null` is not known.
 */
import type { CgroupOwner, Container } from './container.ts';

export const SAMPLE_SCHEMA = 'oomscope-sample/v1';

export interface SampledAverages {
  avg10: number;
  avg60: number;
  avg300: number;
}

export interface SampledPressure {
  some: SampledAverages;
  full: SampledAverages;
}

/** A short sliding window of our own: percent of its time. */
export interface SampledWindow {
  window_seconds: number;
  some: number;
  full: number | null;
}

/** What the system and a cgroup have in common. */
export interface SampledPlace {
  pressure: SampledPressure | null;
  windows: SampledWindow[];
  /** Reclaims in vain, one after the other: the kernel kills at 16. */
  fruitless_rounds: number | null;
  growth_bytes_per_second: number | null;
}

export interface SampledSystem extends SampledPlace {
  total_bytes: number;
  available_bytes: number;
  /** AnonPages of /proc/meminfo. */
  anon_bytes: number;
  swap_total_bytes: number;
  swap_free_bytes: number;
}

export interface SampledCgroup extends SampledPlace {
  /** Below the mount point of the memory cgroups. */
  path: string;
  /** The container whose own cgroup this is. null: it is no container's, or one below it. */
  container: Container | null;
  usage_bytes: number;
  limit_bytes: number | null;
  /** Of the usage: pages of files that were not used lately, which the kernel takes back first. */
  inactive_file_bytes: number;
  swap_bytes: number | null;
  swap_limit_bytes: number | null;
  /** Processes killed for a limit here or below, so far. */
  oom_kills: number | null;
  /** memory.oom.group: the kernel would take the whole of it. */
  oom_group: boolean;
  /** `user.oomd_avoid`, `user.oomd_omit`. */
  preference: 'avoid' | 'omit' | null;
}

export interface SampledProcess extends CgroupOwner {
  pid: number;
  /** Since boot, in clock ticks: with `pid` it names the process for good. */
  start_ticks: number;
  ppid: number;
  pgid: number;
  uid: number | null;
  comm: string;
  exe: string | null;
  cmdline: string | null;
  /** A letter of /proc/PID/stat. */
  state: string;
  /** It is exiting, or SIGKILL is on its way to it. */
  dying: boolean;
  kernel_thread: boolean;
  rss_bytes: number;
  swap_bytes: number;
  page_tables_bytes: number;
  oom_score: number | null;
  oom_score_adj: number;
  cgroup: string | null;
  growth_bytes_per_second: number | null;
}

export interface Sample {
  schema: typeof SAMPLE_SCHEMA;
  /** Milliseconds on a clock that only goes forward. */
  mono_ms: number;
  /** RFC 3339. */
  time: string;
  system: SampledSystem;
  cgroups: SampledCgroup[];
  /** null: not looked at this time. A recording has the largest. */
  processes: SampledProcess[] | null;
  /** Since boot, on the clock of `start_ticks`; with processes only. */
  uptime_seconds?: number;
}
