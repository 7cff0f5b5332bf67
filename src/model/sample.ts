/**
 * One sample of the machine: all inputs of the guard's rules. `oomscope record` writes samples, one JSON object per
 * line. Unlike in events, shares of time are in percent, as the kernel prints them, and the clock is in milliseconds.
 */
import type { Container } from './container.ts';
import type { ProcessName } from './process.ts';

/** The schema of a recorded sample. */
export const SAMPLE_SCHEMA = 'oomscope/sample/v1';

/** Averages from one line of a pressure file (`some` or `full`), in percent. */
export interface SampledAverages {
  /** The average of the last 10 seconds. */
  avg10: number;
  /** The average of the last 60 seconds. */
  avg60: number;
  /** The average of the last 300 seconds. */
  avg300: number;
}

/** The averages of a pressure file. */
export interface SampledPressure {
  /** The share of time in which at least one task was stalled. */
  some: SampledAverages;
  /** The share of time in which tasks were stalled and no task could run. */
  full: SampledAverages;
}

/** A short sliding window, measured by oomscope itself. */
export interface SampledWindow {
  /** The length of the window. */
  window_seconds: number;
  /** Percent of the window in which at least one task was stalled. */
  some: number;
  /**
   * Percent of the window in which tasks were stalled and no task could run. null: the hooks in use cannot measure it.
   */
  full: number | null;
}

/** Memory that a kill of a process may not free, and anonymous memory, which it frees. */
export interface SampledUse {
  /** Anonymous memory of processes. */
  anon_bytes: number;
  /** Shared memory and files in a tmpfs. */
  shmem_bytes: number;
  /** Memory of the kernel that it cannot reclaim: slab, page tables, stacks, buffers. */
  kernel_bytes: number;
  /** Huge pages of hugetlbfs. A cgroup is not charged for them. */
  hugetlb_bytes: number;
  /** Locked pages, which are also counted above, and other pages that the kernel cannot reclaim. */
  unevictable_bytes: number;
}

/** The fields that the samples of the system and of a cgroup have in common. */
export interface SampledPlace {
  /** What the memory is used for. null: it cannot be read. It is absent in recordings of earlier versions. */
  use?: SampledUse | null;
  /** The averages of PSI. null: the kernel has no PSI, or PSI is switched off. */
  pressure: SampledPressure | null;
  /** The pressure in short windows. Empty: oomscope does not measure it. */
  windows: SampledWindow[];
  /**
   * Consecutive rounds of reclaim that freed nothing. After 16 the kernel invokes its OOM killer. null: not measured.
   */
  fruitless_rounds: number | null;
  /** How fast the usage grows. null: there are too few samples. */
  growth_bytes_per_second: number | null;
}

/** A sample of the system. */
export interface SampledSystem extends SampledPlace {
  /** MemTotal. */
  total_bytes: number;
  /** MemAvailable, and what the cache of ZFS holds above its minimum. */
  available_bytes: number;
  /** AnonPages. */
  anon_bytes: number;
  /** SwapTotal. */
  swap_total_bytes: number;
  /** SwapFree. */
  swap_free_bytes: number;
  /** The part of `available_bytes` that the cache of ZFS would give back. It is absent where there is no ZFS. */
  arc_bytes?: number;
  /** The memory that zram uses. null: there is no zram. It is absent if no rule needs it. */
  zram_bytes?: number | null;
}

/** A sample of one memory cgroup. */
export interface SampledCgroup extends SampledPlace {
  /** Path below the mount point of the memory cgroups. */
  path: string;
  /** The container whose own cgroup this is. null: this is not a container's own cgroup. */
  container: Container | null;
  /** Memory that is charged to the cgroup and to the cgroups below it. */
  usage_bytes: number;
  /** The memory limit. null: the cgroup has no limit. */
  limit_bytes: number | null;
  /** The part of the usage that the kernel reclaims first: pages of files that were not used lately. */
  inactive_file_bytes: number;
  /**
   * The part of the usage that the kernel reclaims before it calls its OOM killer: pages of files, active ones too. null:
   * it cannot be read. It is absent in recordings of earlier versions, where only `inactive_file_bytes` is known.
   */
  reclaimable_bytes?: number | null;
  /** Swap in use. null: the kernel does not count it. */
  swap_bytes: number | null;
  /** How much swap the cgroup may use. null: it has no limit of its own. */
  swap_limit_bytes: number | null;
  /** OOM kills so far in the cgroup and below. null: the kernel does not count them here. */
  oom_kills: number | null;
  /** Whether `memory.oom.group` is set, which makes the kernel kill all processes of the cgroup at once. */
  oom_group: boolean;
  /** The cgroup's extended attribute `user.oomd_avoid` or `user.oomd_omit`. null: it has neither. */
  preference: 'avoid' | 'omit' | null;
}

/** A sample of one process. */
export interface SampledProcess extends ProcessName {
  /** The process id of the parent. */
  ppid: number;
  /** The id of the process group. */
  pgid: number;
  /** The real user id. null: unknown. */
  uid: number | null;
  /** The path of the program. null: no rule needs it, or it cannot be read. */
  exe: string | null;
  /** The arguments, joined by spaces. null: no rule needs them, or they cannot be read. */
  cmdline: string | null;
  /** The working directory. null: it cannot be read. It is absent if no rule needs it. */
  cwd?: string | null;
  /**
   * The environment at the start of the process, "NAME=VALUE" each. null: it cannot be read. It is absent if no rule
   * needs it, and in recordings, because it may contain secrets.
   */
  environ?: string[] | null;
  /**
   * The address at which the stack of the program began: it is another after each execve(2), and the same in children of
   * fork(2). It is absent where it is unknown, and in recordings, because the kernel hides it from other users.
   */
  stack_start?: number;
  /**
   * The pid namespace, and whether this process is its process 1, with which all its processes end. It is absent in the
   * namespace of oomscope, and in recordings of earlier versions.
   */
  pid_namespace?: { id: string; init: boolean };
  /** The state, as the letter in /proc/PID/stat. */
  state: string;
  /** Whether the process is exiting or has a pending SIGKILL. */
  dying: boolean;
  /** Whether this is a kernel thread. */
  kernel_thread: boolean;
  /** Resident memory. */
  rss_bytes: number;
  /** Swapped memory. */
  swap_bytes: number;
  /**
   * The part of the resident memory that other processes may use as well: shared memory and files in a tmpfs. It is
   * absent in recordings of earlier versions.
   */
  shmem_bytes?: number;
  /** Size of the page tables. */
  page_tables_bytes: number;
  /** The number in /proc/PID/oom_score. null: no rule needs it. */
  oom_score: number | null;
  /** The oom_score_adj, -1000 to 1000. */
  oom_score_adj: number;
  /** Growth of RSS and swap. null: there are too few samples. */
  growth_bytes_per_second: number | null;
  /**
   * The same growth, in the last second. It is absent where the growth is null, and in recordings of earlier versions.
   */
  recent_growth_bytes_per_second?: number;
}

/** The machine at one moment. */
export interface Sample {
  /** The schema of the line. */
  schema: typeof SAMPLE_SCHEMA;
  /** The time of the sample in milliseconds, by a monotonic clock with an arbitrary start. */
  mono_ms: number;
  /** The time of the sample: RFC 3339. */
  time: string;
  /** The system. */
  system: SampledSystem;
  /** The cgroups to which a rule applies. */
  cgroups: SampledCgroup[];
  /** The processes. A recording has only the largest. null: processes were not read for this sample. */
  processes: SampledProcess[] | null;
  /** Seconds since boot, by the clock of `start_ticks`. It is absent if `processes` is null. */
  uptime_seconds?: number;
}
