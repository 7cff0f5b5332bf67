/** The processes that the guard chooses from: candidates, and those that it must not kill. */
import type { ProcessName } from './process.ts';

/** What the guard kills at once: one process, its process group, or its whole cgroup. */
export type GuardUnit = 'process' | 'process_group' | 'cgroup';

/**
 * Why the guard must not kill a process.
 * - `init`: it is process 1. `kernel_thread`: it is a kernel thread.
 * - `self`: it is the guard. `ancestor`: it is the guard's parent or another ancestor.
 * - `spared`: its oom_score_adj is -1000.
 * - `protected`: a protection list has it. `never`: the rule excludes it. `omitted`: its cgroup has `user.oomd_omit`.
 * - `supervised`: on a node of Kubernetes: the node or its pods need it, or its pod is not known.
 * - `too_small`: its memory is below the minimum of the rule, or its points are.
 * - `shared`: other processes use most of its memory as well, so that a kill would not free it.
 * - `dying`: it is exiting already. `stuck`: it survived an earlier attempt to kill it.
 * - `holds_protected`: its cgroup or process group contains a process that the guard must not kill.
 */
export type GuardRejectionReason =
  | 'init'
  | 'kernel_thread'
  | 'self'
  | 'ancestor'
  | 'spared'
  | 'protected'
  | 'never'
  | 'omitted'
  | 'supervised'
  | 'too_small'
  | 'shared'
  | 'dying'
  | 'stuck'
  | 'holds_protected';

/** The target of a plan. A process group or a cgroup is named by the process that the guard chose in it. */
export interface GuardTarget extends ProcessName {
  /** One process, its process group, or its whole cgroup. */
  takes: GuardUnit;
  /** The id of the process group. null: unknown. */
  pgid: number | null;
  /** The real user id. null: unknown. */
  uid: number | null;
  /** Resident memory of all processes of the target together. */
  rss_bytes: number;
  /** Swap of all processes of the target together. */
  swap_bytes: number;
  /** The oom_score_adj of the named process, -1000 to 1000. */
  oom_score_adj: number;
  /** The number of processes of the target. */
  processes: number;
}

/** A process, process group or cgroup that the guard could kill. */
export interface GuardCandidate {
  /** The processes that would be killed. */
  target: GuardTarget;
  /** Points, adjustments included. 1000 points are the cgroup's limit, or RAM and swap. The highest score is chosen. */
  score: number;
  /** Points before the adjustments. */
  base: number;
  /**
   * The adjustments, by the rule's `prefer` and `avoid` or by `user.oomd_avoid`: "prefer comm ^chrome$ +300". On a node of
   * Kubernetes also the pod's place in the kubelet's order, which comes before the score.
   */
  adjusted_by: string[];
}

/** A process that the guard must not kill. */
export interface GuardRejection {
  /** The process id. */
  pid: number;
  /** The name of the process. */
  comm: string;
  /** Why the process is not a candidate. */
  reason: GuardRejectionReason;
  /** The rule, list entry or attribute that forbids the kill. null: `reason` says everything. */
  detail: string | null;
}
