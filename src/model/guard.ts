/**
 * The events of the guard: what it decided and why, what it did, what came of it, and what it left alone.
 *
 * One shortage that leads to a decision has one `plan_id`; its plan, actions and result share it.
 */
import type { CgroupOwner } from './container.ts';
import type { Envelope } from './envelope.ts';
import type { PressureSubject } from './pressure.ts';

/**
 * - `dry_run`: decides and says so, touches nothing.
 * - `shadow`: the same, and compares with whom the kernel then killed.
 * - `enforce`: acts.
 */
export type GuardMode = 'dry_run' | 'shadow' | 'enforce';

/** What is killed at a time: one process, its process group, or its whole cgroup. */
export type GuardUnit = 'process' | 'process_group' | 'cgroup';

/**
 * - `badness`: the kernel's own: resident + swap + page tables, plus oom_score_adj.
 * - `oom_score`: the number in /proc/PID/oom_score.
 * - `rss`, `swap`: bytes. `growth`: bytes a second. `pressure`: of its cgroup, full avg10.
 */
export type GuardRank = 'badness' | 'projected' | 'oom_score' | 'rss' | 'swap' | 'growth' | 'pressure';

export type GuardStep = 'notify' | 'exec' | 'reclaim' | 'throttle' | 'freeze' | 'term' | 'kill';

/**
 * Why something is never, or not now, to be killed.
 * - `init`, `kernel_thread`, `self`, `ancestor` (of the guard), `spared` (oom_score_adj -1000).
 * - `protected`: on the protection list. `never`: a rule says so. `omitted`: `user.oomd_omit` on its cgroup.
 * - `too_small`: less than the rule's minimum. `dying`: already on its way. `stuck`: it did not die of an earlier attempt.
 * - `holds_protected`: the cgroup or group has one of the above in it.
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
  | 'too_small'
  | 'dying'
  | 'stuck'
  | 'holds_protected';

/** One detector of a rule, as it stood. */
export interface GuardReading {
  /** As the rule has it: "available < 10 %". */
  detector: string;
  /** In `unit`. null: not known here, and a detector that is not known never fires. */
  value: number | null;
  limit: number;
  unit: 'percent' | 'bytes' | 'bytes_per_second' | 'seconds' | 'rounds';
  /** How long it has been so. */
  held_ns: number;
}

/** Whom it is about. For a process group or cgroup: the process in it that led to it. */
export interface GuardTarget extends CgroupOwner {
  /** One process, its process group, or its whole cgroup. */
  takes: GuardUnit;
  pid: number;
  start_ticks: number;
  pgid: number | null;
  uid: number | null;
  comm: string;
  cgroup: string | null;
  rss_bytes: number;
  swap_bytes: number;
  oom_score_adj: number;
  /** How many processes it takes. */
  processes: number;
}

/** One that could be killed. */
export interface GuardCandidate {
  target: GuardTarget;
  /** Points: thousandths of the memory in question, with all adjustments. The highest is chosen. */
  score: number;
  /** Points before prefer and avoid. */
  base: number;
  /** Every rule that moved it: "prefer comm ^chrome$ +300". */
  adjusted_by: string[];
}

/** One that could not. */
export interface GuardRejection {
  pid: number;
  comm: string;
  reason: GuardRejectionReason;
  /** Which rule, list entry or attribute. */
  detail: string | null;
}

/** A rule fired, and this is who would go. */
export interface GuardPlan extends Envelope {
  type: 'guard.plan';
  plan_id: string;
  mode: GuardMode;
  rule: string;
  subject: PressureSubject;
  because: GuardReading[];
  rank: GuardRank;
  victim: GuardTarget;
  /** The best, highest score first. */
  candidates: GuardCandidate[];
  candidates_total: number;
  /** Every one but kernel threads, which are only counted. */
  rejected: GuardRejection[];
  rejected_by_reason: Partial<Record<GuardRejectionReason, number>>;
  /** The ladder: what will be done, in this order, for as long as it is needed. */
  steps: GuardStep[];
}

/**
 * - `done`, `failed`; `would`: dry run or shadow.
 * - `unavailable`: this kernel, cgroup version or privilege does not have it; the ladder goes on.
 * - `not_needed`: its condition did not hold.
 * - `undone`: taken back.
 */
export type GuardActionOutcome = 'done' | 'failed' | 'would' | 'unavailable' | 'not_needed' | 'undone';

/** One step of the ladder was taken. */
export interface GuardAction extends Envelope {
  type: 'guard.action';
  plan_id: string;
  mode: GuardMode;
  rule: string;
  action: GuardStep;
  outcome: GuardActionOutcome;
  target: GuardTarget;
  detail: string | null;
  /** Since the reading that fired the rule. */
  since_trigger_ns: number;
}

/** Why a process that was told to die has not. */
export interface StuckDiagnosis {
  /** As in /proc/PID/stat: `D` cannot be interrupted. null: not readable. */
  state: string | null;
  /** The kernel function it waits in. null: not readable (CAP_SYS_PTRACE), or it runs. */
  wchan: string | null;
  /** It waits for its own memory map's lock, or somebody holds that: its memory cannot be taken either. */
  mmap_lock: boolean;
  /** Its memory still falls: it is dying, slowly. */
  memory_falling: boolean;
  rss_bytes: number | null;
  /** One sentence. */
  verdict: string;
}

/**
 * - `killed`: it has ended and its memory is back. `ended`: it has ended; the memory is not back yet.
 * - `recovered`: the shortage passed before it had to be killed.
 * - `survived`: it did not die, or the ladder has no step that kills.
 * - `kernel_first`: the kernel killed it before the guard did.
 * - `would_kill`: dry run.
 * - `same_victim`, `other_victim`, `unforeseen`: shadow mode, after the kernel killed.
 * - `abandoned`: the guard was ended, or its configuration replaced.
 */
export type GuardOutcome =
  | 'killed'
  | 'ended'
  | 'recovered'
  | 'survived'
  | 'kernel_first'
  | 'would_kill'
  | 'same_victim'
  | 'other_victim'
  | 'unforeseen'
  | 'abandoned';

/** What came of a plan. */
export interface GuardResult extends Envelope {
  type: 'guard.result';
  plan_id: string | null;
  mode: GuardMode;
  rule: string | null;
  outcome: GuardOutcome;
  target: GuardTarget;
  /** How much more is available than when the rule fired. */
  freed_bytes: number | null;
  trigger_to_signal_ns: number | null;
  signal_to_exit_ns: number | null;
  /** From the first signal to as much memory back as the victim held, or nearly. */
  signal_to_memory_back_ns: number | null;
  /** What process_mrelease(2) said, where the victim did not end at once after SIGKILL. */
  mrelease: string | null;
  /** The kernel's OOM killer killed in the meantime. null: not known. */
  kernel_killed_too: boolean | null;
  /** Shadow mode: whom the kernel killed, and how long after the plan. */
  kernel_victim: { pid: number; comm: string | null } | null;
  lead_ns: number | null;
  stuck: StuckDiagnosis | null;
}

/**
 * A rule fired and nothing was done.
 * - `recovered`: it was over when looked at again. `no_candidate`: nobody may be killed.
 * - `being_freed`: a victim is dying, and what it holds is on its way. `budget`: too many kills in the last minute.
 * - `cool_down`: too soon after the last. `victim_changed`: it ended, or another program runs in it by now.
 */
export type GuardSkipReason = 'recovered' | 'no_candidate' | 'being_freed' | 'budget' | 'cool_down' | 'victim_changed';

export interface GuardSkipped extends Envelope {
  type: 'guard.skipped';
  plan_id: string | null;
  mode: GuardMode;
  rule: string;
  subject: PressureSubject;
  reason: GuardSkipReason;
  detail: string | null;
  because: GuardReading[];
  rejected: GuardRejection[];
  rejected_by_reason: Partial<Record<GuardRejectionReason, number>>;
  /** How often the same was the case since it was last said. */
  times: number;
}
