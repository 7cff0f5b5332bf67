/** The tree of memory cgroups, as `oomscope tree --json` prints it. */
import type { CgroupOwner } from './container.ts';

/** One memory cgroup and those below it. */
export interface CgroupNode extends CgroupOwner {
  /** Path below the mount point of the memory cgroups. */
  path: string;
  /** Memory that is charged to it and to the cgroups below it. */
  usage_bytes: number;
  /** Usage without inactive file pages, which the kernel reclaims first. */
  working_set_bytes: number;
  /** Its own limit. The root's is the memory of the machine. null: none. */
  limit_bytes: number | null;
  /**
   * The working set as a share of its own limit, 0 to 1. The root's is the share of the machine's memory that is not
   * available. null: it has no limit.
   */
  full: number | null;
  /** Percent of the last ten seconds in which some task in it was stalled on memory. null: unknown. */
  some_avg10: number | null;
  /** OOM kills in it and below it since it was made. null: the kernel does not count them here. */
  oom_kills: number | null;
  /** OOM kills since the first sample. 0 if there is only one. */
  oom_kills_seen: number;
  /** null: there are too few samples. */
  growth_bytes_per_second: number | null;
  /** The cgroups in it. */
  children: CgroupNode[];
}
