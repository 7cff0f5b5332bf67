/** One container's memory, as `oomscope docker check --json` prints it: units in the names, null is not known. */
import type { CgroupOwner } from './container.ts';
import type { SystemState } from './oom-kill.ts';
import type { Growth } from './pressure.ts';
import type { Severity } from './severity.ts';

/** What its cgroup says. */
export interface ContainerMemory {
  cgroup: string;
  cgroup_version: 1 | 2;
  /** Its own limit. null: none. */
  limit_bytes: number | null;
  /** The limit that will be hit first: its own, or one of a cgroup above. null: none. */
  effective_limit: { path: string; limit_bytes: number; left_bytes: number } | null;
  /** v2: of swap alone. null: none. */
  swap_limit_bytes: number | null;
  /** v1: of memory and swap together. null: none. */
  memory_and_swap_limit_bytes: number | null;
  /** v2: above this it is throttled. */
  high_bytes: number | null;
  /** All that is charged to it. */
  usage_bytes: number;
  /** As `docker stats` counts: without inactive file pages, which the kernel takes back first. */
  working_set_bytes: number;
  /** The most that it ever had, file pages included. */
  peak_bytes: number | null;
  swap_bytes: number | null;
  stat: {
    anon_bytes: number;
    /** File pages, shared memory among them. */
    file_bytes: number;
    shmem_bytes: number;
    mapped_bytes: number;
    inactive_file_bytes: number;
    kernel_bytes: number | null;
    slab_reclaimable_bytes: number | null;
    page_tables_bytes: number | null;
  };
  /** What no reclaim can take back without swap: anonymous and shared memory, and the kernel's own. */
  unreclaimable_bytes: number;
  counts: {
    /** Times that usage hit the limit. */
    limit_hits: number | null;
    high: number | null;
    oom_kills: number | null;
  };
  /** `memory.oom.group`: one kill takes all. null: v1 has none. */
  oom_group: boolean | null;
  pressure: SystemState['pressure'];
  growth: Growth | null;
}

/** What it was started with. */
export interface ContainerSettings {
  /** null: unlimited. */
  memory_limit_bytes: number | null;
  /** Memory and swap together. null: not set, and then it is twice the memory where swap is counted. */
  memory_and_swap_limit_bytes: number | null;
  /** It was set to -1. */
  swap_unlimited: boolean;
  /** null: not set. */
  memory_reservation_bytes: number | null;
  oom_score_adj: number;
  oom_kill_disable: boolean;
}

export interface ContainerReport extends CgroupOwner {
  /** "running", "exited", …; null: no runtime told. */
  state: string | null;
  pid: number | null;
  exit_code: number | null;
  /** The runtime's word: a process in it was OOM-killed since it was last started. */
  oom_killed: boolean | null;
  started_at: string | null;
  finished_at: string | null;
  restart_count: number | null;
  restart_policy: string | null;
  /** null: no runtime told. */
  configured: ContainerSettings | null;
  /** null: it does not run, or its cgroup cannot be read. */
  memory: ContainerMemory | null;
  /** What follows, worst first. */
  remarks: { severity: Severity; text: string }[];
}
