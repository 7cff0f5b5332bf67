/** The event `oom.stuck`: a cgroup is out of memory, and the kernel kills no process in it. */

import type { CgroupOwner } from './container.ts';
import type { Envelope, Int64 } from './envelope.ts';
import type { ProcessId } from './process.ts';

/**
 * Why the kernel kills no process.
 * - `oom_kill_disabled`: on cgroup v1 `oom_kill_disable` is set in memory.oom_control (`docker run --oom-kill-disable`).
 *   Tasks that need memory sleep until memory is free, or their system calls fail with ENOMEM.
 * - `nothing_killable`: every process in the cgroup has oom_score_adj -1000, or is pid 1. Tasks that need memory try
 *   again and again.
 * - `victim_not_exiting`: the kernel has killed a process that does not exit, for example because it waits for a disk.
 */
export type StuckCause = 'oom_kill_disabled' | 'nothing_killable' | 'victim_not_exiting';

/** A process in the cgroup. */
export interface StuckProcess {
  /** The process id. */
  pid: number;
  /** The name of the process. */
  comm: string;
  /** The process's oom_score_adj, -1000 to 1000. */
  oom_score_adj: number;
  /** Resident memory. */
  rss_bytes: number;
  /** Whether the process got SIGKILL, or is exiting. */
  dying: boolean;
}

/**
 * A cgroup is at its limit and out of memory, and the kernel kills no process in it. The event comes about a second
 * after the cgroup got stuck, then once a minute while that lasts, and once more when it is over.
 */
export interface OomStuck extends Envelope {
  type: 'oom.stuck';
  /** Whether the cgroup is still stuck. */
  state: 'stuck' | 'over';
  /** Why the kernel kills no process. */
  cause: StuckCause;
  /** The cgroup at its limit, and its owner. */
  cgroup: CgroupOwner & {
    /** Path below the mount point of the memory cgroups. */
    path: string;
    /** The id of the cgroup: the inode number of its directory. */
    id: Int64;
    /** Memory that is charged to the cgroup. */
    usage_bytes: number;
    /** The memory limit. null: the limit of memory and swap together was hit. */
    limit_bytes: number | null;
  };
  /** The task that needs memory. */
  trigger: ProcessId & {
    /** The thread id. */
    tid: number;
    /** The name of the thread. */
    comm: string;
  };
  /** How often the kernel called its OOM killer for this cgroup since it got stuck. null: unknown. */
  ooms: number | null;
  /** For how long the cgroup has been stuck, in nanoseconds. */
  stuck_ns: number;
  /** The first ten processes in the cgroup and below it, the largest first. Empty when it is over. */
  processes: StuckProcess[];
  /** The number of processes in the cgroup and below it. */
  process_count: number;
}
