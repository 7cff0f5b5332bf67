/** The tree of memory cgroups, as `oomscope tree --json` prints it: units in the names, null is not known or none. */
import type { CgroupOwner } from './container.ts';

export interface CgroupNode extends CgroupOwner {
  path: string;
  usage_bytes: number;
  /** Without inactive file pages, which the kernel takes back first. */
  working_set_bytes: number;
  /** Its own limit; the root's is the machine's memory. null: none. */
  limit_bytes: number | null;
  /** The working set as a share of its own limit, 0 to 1. null: it has none. */
  full: number | null;
  /** Percent of the last ten seconds in which some task in it waited for memory. null: not known. */
  some_avg10: number | null;
  /** In it and beneath it, since it was made. null: not counted here. */
  oom_kills: number | null;
  /** Since the first look. 0 in a single one. */
  oom_kills_seen: number;
  /** null in a single look. */
  growth_bytes_per_second: number | null;
  children: CgroupNode[];
}
