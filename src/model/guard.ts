/**
 * The events of the guard: what it decided and why, what it did, what happened then, and when it did nothing.
 *
 * A shortage that leads to a decision has one `plan_id`, which its plan, its actions and its result share.
 */
import type { Envelope } from './envelope.ts';
import type { PressureSubject } from './pressure.ts';
import type { ProcessName } from './process.ts';

/**
 * - `dry_run`: the guard decides and emits its decisions, and touches nothing.
 * - `shadow`: the same, and it compares its victim with the kernel's.
 * - `enforce`: it acts.
 */
export type GuardMode = 'dry_run' | 'shadow' | 'enforce';

/** What one kill takes: one process, its process group, or its whole cgroup. */
export type GuardUnit = 'process' | 'process_group' | 'cgroup';

/**
 * What a rule chooses its victim by.
 * - `badness`: as the kernel does: RSS, swap and page tables, plus oom_score_adj.
 * - `projected`: the badness that there will be in 30 seconds if memory grows on as now.
 * - `oom_score`: the number in /proc/PID/oom_score.
 * - `rss`, `swap`: size.
 * - `growth`: bytes a second.
 * - `pressure`: the pressure of its cgroup, full avg10.
 */
export type GuardRank = 'badness' | 'projected' | 'oom_score' | 'rss' | 'swap' | 'growth' | 'pressure';

/** A step of a rule's ladder. The steps are listed from mild to hard. */
export type GuardStep = 'notify' | 'exec' | 'reclaim' | 'throttle' | 'freeze' | 'term' | 'kill';

/**
 * Why a process is not a candidate.
 * - `init`: it is process 1. `kernel_thread`: it is part of the kernel.
 * - `self`: it is the guard. `ancestor`: the guard was started from it.
 * - `spared`: its oom_score_adj is -1000.
 * - `protected`: it is on the protection list. `never`: the rule excludes it. `omitted`: its cgroup has `user.oomd_omit`.
 * - `too_small`: it has less than the minimum of the rule.
 * - `dying`: it is exiting already. `stuck`: it survived an earlier attempt.
 * - `holds_protected`: its cgroup or process group has one of the above in it.
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

/** What one detector of a rule measured. */
export interface GuardReading {
  /** The detector, as the rule has it: "available < 10 %". */
  detector: string;
  /** What was measured, in `unit`. null: it cannot be measured here, and then the detector never fires. */
  value: number | null;
  /** What it was compared with, in `unit`. */
  limit: number;
  /** The unit of `value` and `limit`. */
  unit: 'percent' | 'bytes' | 'bytes_per_second' | 'seconds' | 'rounds';
  /** How long the condition had held. */
  held_ns: number;
}

/** What a plan is about. For a process group or a cgroup, the process that was chosen first stands for all of them. */
export interface GuardTarget extends ProcessName {
  /** One process, its process group, or its whole cgroup. */
  takes: GuardUnit;
  /** The process group. null: unknown. */
  pgid: number | null;
  /** The real user id. null: unknown. */
  uid: number | null;
  /** Resident memory of all processes together. */
  rss_bytes: number;
  /** Swap of all processes together. */
  swap_bytes: number;
  /** -1000 to 1000. */
  oom_score_adj: number;
  /** The number of processes. */
  processes: number;
}

/** A process, process group or cgroup that the guard could kill. */
export interface GuardCandidate {
  /** What would be killed. */
  target: GuardTarget;
  /** Points: thousandths of the memory in question, with all adjustments. The highest is chosen. */
  score: number;
  /** Points before `prefer` and `avoid`. */
  base: number;
  /** Every adjustment: "prefer comm ^chrome$ +300". */
  adjusted_by: string[];
}

/** A process that the guard must not kill. */
export interface GuardRejection {
  /** The process id. */
  pid: number;
  /** The name of the process. */
  comm: string;
  /** Why it is not a candidate. */
  reason: GuardRejectionReason;
  /** The rule, list entry or attribute that says so. null: the reason says it all. */
  detail: string | null;
}

/** A rule fired, and the guard chose a victim. */
export interface GuardPlan extends Envelope {
  type: 'guard.plan';
  /** Shared by the plan, its actions and its result. */
  plan_id: string;
  /** Whether the guard acts. */
  mode: GuardMode;
  /** The name of the rule. */
  rule: string;
  /** What is short of memory: the system or a cgroup. */
  subject: PressureSubject;
  /** What the detectors of the rule measured. */
  because: GuardReading[];
  /** What the rule chooses by. */
  rank: GuardRank;
  /** The victim: the first of `candidates`. */
  victim: GuardTarget;
  /** At most ten, the highest score first. */
  candidates: GuardCandidate[];
  /** How many candidates there were. */
  candidates_total: number;
  /** At most 200 processes that are not candidates. Kernel threads are only counted. */
  rejected: GuardRejection[];
  /** How many processes are not candidates, by reason. */
  rejected_by_reason: Partial<Record<GuardRejectionReason, number>>;
  /** The steps of the ladder, in order. The guard takes them for as long as the shortage lasts. */
  steps: GuardStep[];
}

/**
 * - `done`: the step was taken. `failed`: it was tried and failed.
 * - `would`: it would have been taken; the mode is `dry_run` or `shadow`.
 * - `unavailable`: this kernel, cgroup version or privilege does not allow it. The ladder goes on.
 * - `not_needed`: its condition did not hold.
 * - `undone`: it was undone.
 */
export type GuardActionOutcome = 'done' | 'failed' | 'would' | 'unavailable' | 'not_needed' | 'undone';

/** The guard took one step of the ladder, or could not. */
export interface GuardAction extends Envelope {
  type: 'guard.action';
  /** The plan that the step belongs to. */
  plan_id: string;
  /** Whether the guard acts. */
  mode: GuardMode;
  /** The name of the rule. */
  rule: string;
  /** The step. */
  action: GuardStep;
  /** What happened to the step. */
  outcome: GuardActionOutcome;
  /** What the step was taken on. */
  target: GuardTarget;
  /** More about the outcome. null: there is nothing to add. */
  detail: string | null;
  /** Since the measurement that fired the rule. */
  since_trigger_ns: number;
}

/** Why a process that got SIGKILL still lives. */
export interface StuckDiagnosis {
  /** The state of its most stuck thread, as in /proc/PID/stat: `D` cannot be interrupted. null: it could not be read. */
  state: string | null;
  /** The kernel function that the thread waits in. null: it runs, or CAP_SYS_PTRACE is missing. */
  wchan: string | null;
  /** A thread waits for the lock of its memory map. Its memory cannot be reaped while that is held. */
  mmap_lock: boolean;
  /** Its memory still shrinks: it is dying slowly. */
  memory_falling: boolean;
  /** Resident memory. null: it could not be read. */
  rss_bytes: number | null;
  /** The same in one sentence. */
  verdict: string;
}

/**
 * - `killed`: the victim exited, and its memory is back. `ended`: it exited, and its memory is not back yet.
 * - `recovered`: the shortage passed before the victim had to be killed, or the victim exited by itself.
 * - `survived`: the victim did not exit, the ladder has no step that kills, or the signal was refused.
 * - `kernel_first`: the kernel killed the victim before the guard did.
 * - `would_kill`: the mode is `dry_run`, and the guard would have killed the victim.
 * - `same_victim`, `other_victim`: the mode is `shadow`, and the kernel killed the guard's victim, or another process.
 * - `unforeseen`: the mode is `shadow`, and the kernel killed although no rule had fired.
 * - `abandoned`: the guard was closed, or its configuration was replaced.
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

/** How a plan ended. */
export interface GuardResult extends Envelope {
  type: 'guard.result';
  /** The plan. null: there was none (`unforeseen`). */
  plan_id: string | null;
  /** Whether the guard acts. */
  mode: GuardMode;
  /** The name of the rule. null: no rule had fired (`unforeseen`). */
  rule: string | null;
  /** How it ended. */
  outcome: GuardOutcome;
  /** The victim of the plan. */
  target: GuardTarget;
  /** How much more memory is available than when the rule fired. null: unknown. */
  freed_bytes: number | null;
  /** From the measurement that fired the rule to the first signal. null: no signal was sent. */
  trigger_to_signal_ns: number | null;
  /** From the first signal to the exit. null: no signal was sent, or the victim lives. */
  signal_to_exit_ns: number | null;
  /** From the first signal until half of the victim's memory was back, or the shortage over. null: not within 2 s of its exit. */
  signal_to_memory_back_ns: number | null;
  /** What process_mrelease(2) returned. null: it was not needed, since the victim exited at once. */
  mrelease: string | null;
  /** Whether the kernel's OOM killer killed in the meantime. null: unknown. */
  kernel_killed_too: boolean | null;
  /** Mode `shadow`: what the kernel killed. null: another mode. */
  kernel_victim: { pid: number; comm: string | null } | null;
  /** Mode `shadow`: from the plan to the kernel's kill. null: another mode, or there was no plan. */
  lead_ns: number | null;
  /** Why the victim still lives. null: it does not, or it is unknown. */
  stuck: StuckDiagnosis | null;
}

/**
 * - `recovered`: the shortage had passed when the guard measured again.
 * - `no_candidate`: there is no process that may be killed.
 * - `being_freed`: a process is exiting, and its memory is about to be free.
 * - `budget`: too many processes were killed in the last minute.
 * - `cool_down`: the last kill of this rule was too short a time ago.
 * - `victim_changed`: the victim exited, or runs another program by now.
 */
export type GuardSkipReason = 'recovered' | 'no_candidate' | 'being_freed' | 'budget' | 'cool_down' | 'victim_changed';

/** A rule fired, and the guard did nothing. */
export interface GuardSkipped extends Envelope {
  type: 'guard.skipped';
  /** The plan that was given up. null: there was none yet. */
  plan_id: string | null;
  /** Whether the guard acts. */
  mode: GuardMode;
  /** The name of the rule. */
  rule: string;
  /** What is short of memory: the system or a cgroup. */
  subject: PressureSubject;
  /** Why nothing was done. */
  reason: GuardSkipReason;
  /** More about the reason. null: there is nothing to add. */
  detail: string | null;
  /** What the detectors of the rule measured. */
  because: GuardReading[];
  /** At most 200 processes that are not candidates. Kernel threads are only counted. */
  rejected: GuardRejection[];
  /** How many processes are not candidates, by reason. */
  rejected_by_reason: Partial<Record<GuardRejectionReason, number>>;
  /** How often this happened since the last such event. */
  times: number;
}

/**
 * A part of the guard that can fail while the guard runs.
 * - `sampling`: reading memory and processes. The guard is blind while it fails.
 * - `arming`: having the likely victim signalled from within the kernel. The guard acts without it.
 * - `raising_score`: raising the likely victim's oom_score_adj. The kernel may choose another process.
 */
export type GuardPart = 'sampling' | 'arming' | 'raising_score';

/** A part of the guard has failed, or works again. */
export interface GuardStatus extends Envelope {
  type: 'guard.status';
  /** Whether the guard acts. */
  mode: GuardMode;
  /** The part. */
  part: GuardPart;
  /** Whether it works now. */
  state: 'failing' | 'working';
  /** Why it failed. */
  error: string;
  /** Failures in a row up to now. */
  failures: number;
}
