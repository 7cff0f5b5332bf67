/** The tree of memory cgroups, as `oomscope tree --json` prints it. */
import type { CgroupOwner } from './container.ts';

/** One memory cgroup and the cgroups below it. */
export interface CgroupNode extends CgroupOwner {
  /** Path below the mount point of the memory cgroups. */
  path: string;
  /** Memory that is charged to this cgroup and to the cgroups below it. */
  usage_bytes: number;
  /** Usage without inactive file pages, which the kernel reclaims first. */
  working_set_bytes: number;
  /** The cgroup's own limit. The root has the size of the machine's memory here. null: the cgroup has no limit. */
  limit_bytes: number | null;
  /**
   * The working set as a share of the cgroup's own limit, 0 to 1. The root has the share of the machine's memory that
   * is not available here. null: the cgroup has no limit.
   */
  full: number | null;
  /** Percent of the last ten seconds in which some task of the cgroup was stalled on memory. null: unknown. */
  some_avg10: number | null;
  /** OOM kills in the cgroup and below since it was created. null: the kernel does not count them here. */
  oom_kills: number | null;
  /** OOM kills since the first sample. 0 if there is only one sample. */
  oom_kills_seen: number;
  /** How fast the usage grows. null: there are too few samples. */
  growth_bytes_per_second: number | null;
  /** The cgroups directly below this one. */
  children: CgroupNode[];
}
