/** The memory of one container, as `oomscope docker check --json` prints it. */
import type { CgroupOwner } from './container.ts';
import type { SystemState } from './oom-kill.ts';
import type { Growth } from './pressure.ts';
import type { Severity } from './severity.ts';

/** What the cgroup of the container says. */
export interface ContainerMemory {
  /** Path of the container's own cgroup. */
  cgroup: string;
  /** The hierarchy that has the memory controller. */
  cgroup_version: 1 | 2;
  /** Its own limit. null: none. */
  limit_bytes: number | null;
  /** The limit that will be hit first: its own, or that of a cgroup above. null: there is none. */
  effective_limit: { path: string; limit_bytes: number; left_bytes: number } | null;
  /** cgroup v2: the limit of swap. null: none, or v1. */
  swap_limit_bytes: number | null;
  /** cgroup v1: the limit of memory and swap together. null: none, or v2. */
  memory_and_swap_limit_bytes: number | null;
  /** cgroup v2: above this the kernel throttles it. null: none, or v1. */
  high_bytes: number | null;
  /** All memory that is charged to it. */
  usage_bytes: number;
  /** Usage without inactive file pages, which the kernel reclaims first: the figure of `docker stats`. */
  working_set_bytes: number;
  /** The highest usage so far, file pages included. null: the kernel does not record it. */
  peak_bytes: number | null;
  /** Swap in use. null: the kernel does not count it. */
  swap_bytes: number | null;
  /** Of memory.stat. */
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
    /** All kernel memory. null: the kernel does not say. */
    kernel_bytes: number | null;
    /** Kernel objects that can be reclaimed. null: the kernel does not say. */
    slab_reclaimable_bytes: number | null;
    /** null: the kernel does not say. */
    page_tables_bytes: number | null;
  };
  /** What cannot be reclaimed without swap: anonymous and shared memory, and kernel memory. */
  unreclaimable_bytes: number;
  /** Of memory.events. */
  counts: {
    /** How often usage hit the limit. null: unknown. */
    limit_hits: number | null;
    /** How often it was throttled. null: unknown. */
    high: number | null;
    /** OOM kills. null: unknown. */
    oom_kills: number | null;
  };
  /** `memory.oom.group`: the kernel kills the whole cgroup. null: v1, which has none. */
  oom_group: boolean | null;
  /** Its memory.pressure. null: unknown. */
  pressure: SystemState['pressure'];
  /** null: there are too few samples. */
  growth: Growth | null;
}

/** The memory options that the container was started with. */
export interface ContainerSettings {
  /** null: unlimited. */
  memory_limit_bytes: number | null;
  /** The limit of memory and swap together. null: not set. Where swap is counted, it is then twice the memory limit. */
  memory_and_swap_limit_bytes: number | null;
  /** The limit of memory and swap was set to -1. */
  swap_unlimited: boolean;
  /** null: not set. */
  memory_reservation_bytes: number | null;
  /** -1000 to 1000. */
  oom_score_adj: number;
  /** `--oom-kill-disable`. */
  oom_kill_disable: boolean;
}

/** One container: its state, its settings, its memory, and remarks about them. */
export interface ContainerReport extends CgroupOwner {
  /** The state by the runtime: "running", "exited". null: no runtime could be asked. */
  state: string | null;
  /** Its main process. null: it does not run, or no runtime could be asked. */
  pid: number | null;
  /** null: it has not ended, or no runtime could be asked. */
  exit_code: number | null;
  /** Whether the runtime says that a process in it was OOM-killed since its last start. null: no runtime could be asked. */
  oom_killed: boolean | null;
  /** RFC 3339. null: it has not started, or no runtime could be asked. */
  started_at: string | null;
  /** RFC 3339. null: it has not ended, or no runtime could be asked. */
  finished_at: string | null;
  /** null: no runtime could be asked. */
  restart_count: number | null;
  /** null: no runtime could be asked. */
  restart_policy: string | null;
  /** null: no runtime could be asked. */
  configured: ContainerSettings | null;
  /** null: it does not run, or its cgroup cannot be read. */
  memory: ContainerMemory | null;
  /** What follows from it, the worst first. */
  remarks: { severity: Severity; text: string }[];
}
