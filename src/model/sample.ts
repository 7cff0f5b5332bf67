/**
 * One sample of the machine: all that the guard's rules decide on, and what `oomscope record` writes, one JSON object a
 * line. Unlike in events, shares of time are percent, as the kernel prints them, and the clock is milliseconds: a rule
 * computes with both as they are.
 */
import type { Container } from './container.ts';
import type { ProcessName } from './process.ts';

/** The schema of a recorded sample. */
export const SAMPLE_SCHEMA = 'oomscope/sample/v1';

/** Averages of a pressure file, in percent. */
export interface SampledAverages {
  /** Of the last 10 seconds. */
  avg10: number;
  /** Of the last 60 seconds. */
  avg60: number;
  /** Of the last 300 seconds. */
  avg300: number;
}

/** The averages of a pressure file. */
export interface SampledPressure {
  /** Some task was stalled. */
  some: SampledAverages;
  /** Tasks were stalled, and none could run. */
  full: SampledAverages;
}

/** A short sliding window, measured by oomscope itself. */
export interface SampledWindow {
  /** The length of the window. */
  window_seconds: number;
  /** Percent of the window in which some task was stalled. */
  some: number;
  /** Percent of the window in which tasks were stalled and none could run. null: the hooks in use cannot tell. */
  full: number | null;
}

/** What the samples of the system and of a cgroup have in common. */
export interface SampledPlace {
  /** null: the kernel has no PSI, or PSI is switched off. */
  pressure: SampledPressure | null;
  /** Empty: pressure is not watched. */
  windows: SampledWindow[];
  /** Consecutive rounds of reclaim that freed nothing; at 16 the kernel kills. null: it is not watched. */
  fruitless_rounds: number | null;
  /** null: there are too few samples. */
  growth_bytes_per_second: number | null;
}

/** A sample of the system. */
export interface SampledSystem extends SampledPlace {
  /** MemTotal. */
  total_bytes: number;
  /** MemAvailable. */
  available_bytes: number;
  /** AnonPages. */
  anon_bytes: number;
  /** SwapTotal. */
  swap_total_bytes: number;
  /** SwapFree. */
  swap_free_bytes: number;
}

/** A sample of one memory cgroup. */
export interface SampledCgroup extends SampledPlace {
  /** Path below the mount point of the memory cgroups. */
  path: string;
  /** The container whose own cgroup this is. null: it is no container's, or it is one below a container's. */
  container: Container | null;
  /** Memory that is charged to it and to the cgroups below it. */
  usage_bytes: number;
  /** null: it has no limit. */
  limit_bytes: number | null;
  /** The part of the usage that the kernel reclaims first: pages of files that were not used lately. */
  inactive_file_bytes: number;
  /** Swap in use. null: the kernel does not count it. */
  swap_bytes: number | null;
  /** null: swap has no limit. */
  swap_limit_bytes: number | null;
  /** OOM kills in it and below it so far. null: the kernel does not count them here. */
  oom_kills: number | null;
  /** `memory.oom.group` is set: the kernel would kill the whole cgroup. */
  oom_group: boolean;
  /** Its extended attribute `user.oomd_avoid` or `user.oomd_omit`. null: it has neither. */
  preference: 'avoid' | 'omit' | null;
}

/** A sample of one process. */
export interface SampledProcess extends ProcessName {
  /** The process id of its parent. */
  ppid: number;
  /** The process group. */
  pgid: number;
  /** The real user id. null: unknown. */
  uid: number | null;
  /** Path of the program. null: no rule asks for it, or it cannot be read. */
  exe: string | null;
  /** The arguments, joined by blanks. null: no rule asks for them, or they cannot be read. */
  cmdline: string | null;
  /** The state, a letter of /proc/PID/stat. */
  state: string;
  /** It is exiting, or has a pending SIGKILL. */
  dying: boolean;
  /** It is part of the kernel. */
  kernel_thread: boolean;
  /** Resident memory. */
  rss_bytes: number;
  /** In swap. */
  swap_bytes: number;
  /** Size of the page tables. */
  page_tables_bytes: number;
  /** /proc/PID/oom_score. null: no rule asks for it. */
  oom_score: number | null;
  /** -1000 to 1000. */
  oom_score_adj: number;
  /** Growth of RSS and swap. null: there are too few samples. */
  growth_bytes_per_second: number | null;
}

/** The machine at one moment. */
export interface Sample {
  /** The schema of the line. */
  schema: typeof SAMPLE_SCHEMA;
  /** Milliseconds on a clock that only goes forward and starts anywhere. */
  mono_ms: number;
  /** RFC 3339. */
  time: string;
  /** The system. */
  system: SampledSystem;
  /** The cgroups that a rule is about. */
  cgroups: SampledCgroup[];
  /** null: they were not read this time. A recording has the largest. */
  processes: SampledProcess[] | null;
  /** Seconds since boot, on the clock of `start_ticks`. Only there with `processes`. */
  uptime_seconds?: number;
}
