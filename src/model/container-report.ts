/** The memory of one container, as `oomscope docker check --json` prints it. */
import type { CgroupOwner } from './container.ts';
import type { SystemState } from './oom-kill.ts';
import type { Growth } from './pressure.ts';
import type { Severity } from './severity.ts';

/** The memory of a container, from the files of its cgroup. */
export interface ContainerMemory {
  /** Path of the container's own cgroup. */
  cgroup: string;
  /** The hierarchy that has the memory controller. */
  cgroup_version: 1 | 2;
  /** The cgroup's own limit. null: it has none. */
  limit_bytes: number | null;
  /** The limit that will be hit first: the cgroup's own, or the limit of a cgroup above. null: there is no limit. */
  effective_limit: { path: string; limit_bytes: number; left_bytes: number } | null;
  /** cgroup v2: the limit of swap. null: there is no limit, or this is v1. */
  swap_limit_bytes: number | null;
  /** cgroup v1: the limit of memory and swap together. null: there is no limit, or this is v2. */
  memory_and_swap_limit_bytes: number | null;
  /** cgroup v2: `memory.high`, the usage above which the kernel throttles the cgroup. null: not set, or this is v1. */
  high_bytes: number | null;
  /** All memory that is charged to the cgroup. */
  usage_bytes: number;
  /** Usage without inactive file pages, which the kernel reclaims first. `docker stats` shows this figure. */
  working_set_bytes: number;
  /** The highest usage so far, file pages included. null: the kernel does not record it. */
  peak_bytes: number | null;
  /** Swap in use. null: the kernel does not count it. */
  swap_bytes: number | null;
  /** Figures from memory.stat. */
  stat: {
    /** Anonymous memory: heap and stacks. */
    anon_bytes: number;
    /** Pages of files, shared memory among them. */
    file_bytes: number;
    /** Shared memory and tmpfs. */
    shmem_bytes: number;
    /** Pages of files that are mapped. */
    mapped_bytes: number;
    /** Pages of files that were not used lately. */
    inactive_file_bytes: number;
    /** All kernel memory. null: this kernel does not report it. */
    kernel_bytes: number | null;
    /** Kernel objects that can be reclaimed. null: this kernel does not report it. */
    slab_reclaimable_bytes: number | null;
    /** Page tables. null: this kernel does not report it. */
    page_tables_bytes: number | null;
  };
  /** Memory that cannot be reclaimed without swap: anonymous and shared memory, and kernel memory. */
  unreclaimable_bytes: number;
  /** Counters from memory.events, or from the corresponding files of v1. */
  counts: {
    /** The number of times that usage hit the limit. null: unknown. */
    limit_hits: number | null;
    /** The number of times that usage exceeded `memory.high`. null: unknown. */
    high: number | null;
    /** The number of OOM kills, also those because a cgroup above or the whole machine was out of memory. null: unknown. */
    oom_kills: number | null;
    /**
     * How often the cgroup's own limit made the kernel look for a victim: `oom` in memory.events.local, or in memory.events where the
     * kernel does not have that file. null: cgroup v1, which does not count it.
     */
    ooms: number | null;
  };
  /** `memory.oom.group`: whether the kernel kills the whole cgroup at once. null: cgroup v1, which does not have it. */
  oom_group: boolean | null;
  /** The cgroup's memory.pressure. null: unknown. */
  pressure: SystemState['pressure'];
  /** How fast the usage grows. null: there are too few samples. */
  growth: Growth | null;
}

/** The memory options that the container was started with. */
export interface ContainerSettings {
  /** The memory limit. null: unlimited. */
  memory_limit_bytes: number | null;
  /**
   * The limit of memory and swap together. null: not set. The runtime then uses twice the memory limit if it counts
   * swap.
   */
  memory_and_swap_limit_bytes: number | null;
  /** Whether the limit of memory and swap was set to -1, which means unlimited. */
  swap_unlimited: boolean;
  /** The soft limit, `--memory-reservation`. null: not set. */
  memory_reservation_bytes: number | null;
  /** `--oom-score-adj`, -1000 to 1000. */
  oom_score_adj: number;
  /** Whether `--oom-kill-disable` was set. */
  oom_kill_disable: boolean;
}

/** One container: its state, its settings, its memory, and remarks about them. */
export interface ContainerReport extends CgroupOwner {
  /** The state that the runtime reports: "running", "exited". null: no runtime could be asked. */
  state: string | null;
  /** The pid of the main process. null: the container does not run, or no runtime could be asked. */
  pid: number | null;
  /** The exit code. null: the container has not ended, or no runtime could be asked. */
  exit_code: number | null;
  /**
   * Whether, by the runtime, a process of the container was OOM-killed since the last start. null: no runtime could be
   * asked.
   */
  oom_killed: boolean | null;
  /** When the container started: RFC 3339. null: it has not started, or no runtime could be asked. */
  started_at: string | null;
  /** When the container ended: RFC 3339. null: it has not ended, or no runtime could be asked. */
  finished_at: string | null;
  /** How often the runtime has restarted the container. null: no runtime could be asked. */
  restart_count: number | null;
  /** The restart policy: "on-failure". null: no runtime could be asked. */
  restart_policy: string | null;
  /** The memory options that the container was started with. null: no runtime could be asked. */
  configured: ContainerSettings | null;
  /** The memory now. null: the container does not run, or its cgroup cannot be read. */
  memory: ContainerMemory | null;
  /** Remarks about the state, the settings and the memory, the most severe first. */
  remarks: { severity: Severity; text: string }[];
}
