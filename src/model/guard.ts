/** The events of the guard. A plan, its actions and its result have the same `plan_id`. */
import type { Envelope } from './envelope.ts';
import type { GuardCandidate, GuardRejection, GuardRejectionReason, GuardTarget } from './guard-candidate.ts';
import type { PressureSubject } from './pressure.ts';

export type {
  GuardCandidate,
  GuardRejection,
  GuardRejectionReason,
  GuardTarget,
  GuardUnit,
} from './guard-candidate.ts';

/**
 * Whether the guard acts.
 * - `dry_run`: the guard emits its decisions, but takes no action.
 * - `shadow`: as `dry_run`, and the guard compares its victim with the victim of the kernel.
 * - `enforce`: the guard acts.
 */
export type GuardMode = 'dry_run' | 'shadow' | 'enforce';

/**
 * The measure by which a rule chooses its victim.
 * - `badness`: the kernel's measure: RSS, swap and page tables, adjusted by oom_score_adj.
 * - `projected`: the badness in 30 seconds if every process continues to grow as it does now.
 * - `oom_score`: the number in /proc/PID/oom_score.
 * - `rss`, `swap`: the resident memory, the swapped memory.
 * - `growth`: the growth of RSS and swap.
 * - `pressure`: the `full avg10` of memory.pressure of the process's cgroup.
 */
export type GuardRank = 'badness' | 'projected' | 'oom_score' | 'rss' | 'swap' | 'growth' | 'pressure';

/** A step of a rule's ladder. The steps are listed from mild to hard. */
export type GuardStep = 'notify' | 'exec' | 'tell' | 'ask' | 'reclaim' | 'throttle' | 'freeze' | 'term' | 'kill';

/** What one detector of a rule measured. */
export interface GuardReading {
  /** The detector, in the words of the rule: "available < 10 %". */
  detector: string;
  /**
   * The measured value, in `unit`. null: it cannot be measured here, so that the detector never fires. Without swap, a
   * detector for little free swap is ignored, and the other detectors of the rule decide.
   */
  value: number | null;
  /** The threshold that the value was compared with, in `unit`. */
  limit: number;
  /** The unit of `value` and `limit`. */
  unit: 'percent' | 'bytes' | 'bytes_per_second' | 'seconds' | 'rounds';
  /** How long the condition of the detector had held. */
  held_ns: number;
}

/** A rule fired, and the guard chose a victim. */
export interface GuardPlan extends Envelope {
  type: 'guard.plan';
  /** The id that the plan, its actions and its result share. */
  plan_id: string;
  /** Whether the guard acts. */
  mode: GuardMode;
  /** The name of the rule. */
  rule: string;
  /** The system or cgroup that is short of memory. */
  subject: PressureSubject;
  /** What the detectors of the rule measured. */
  because: GuardReading[];
  /** The measure by which the rule chooses the victim. */
  rank: GuardRank;
  /** The victim: the first of `candidates`. */
  victim: GuardTarget;
  /** At most ten, the highest score first. */
  candidates: GuardCandidate[];
  /** The number of all candidates. */
  candidates_total: number;
  /** At most 200 of the processes that must not be killed. Kernel threads are only counted, in `rejected_by_reason`. */
  rejected: GuardRejection[];
  /** The number of processes that must not be killed, by reason. */
  rejected_by_reason: Partial<Record<GuardRejectionReason, number>>;
  /** The steps of the ladder, in order. The guard takes them for as long as the shortage lasts. */
  steps: GuardStep[];
}

/**
 * The outcome of one step.
 * - `done`: the guard took the step. `failed`: the guard tried the step, and it failed.
 * - `would`: the guard would have taken the step, but the mode is `dry_run` or `shadow`.
 * - `unavailable`: the kernel, cgroup version or privileges do not allow the step. The next step follows.
 * - `not_needed`: the condition of the step did not hold.
 * - `undone`: the guard lifted the step again, such as a freeze.
 */
export type GuardActionOutcome = 'done' | 'failed' | 'would' | 'unavailable' | 'not_needed' | 'undone';

/** The guard took one step of the ladder, lifted it, or could not take it. */
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
  /** The outcome of the step. */
  outcome: GuardActionOutcome;
  /** The target of the step. */
  target: GuardTarget;
  /** More about the outcome. null: there is nothing to add. */
  detail: string | null;
  /** The time since the measurement that fired the rule. */
  since_trigger_ns: number;
}

/** Why a process still exists after it was sent SIGKILL. */
export interface StuckDiagnosis {
  /** The state of the thread that blocks the exit, as in /proc/PID/stat: `D` is uninterruptible. null: unknown. */
  state: string | null;
  /** The kernel function in which the thread sleeps. null: the thread runs, or CAP_SYS_PTRACE is missing. */
  wchan: string | null;
  /** Whether a thread waits for mmap_lock. The kernel cannot reap the memory while that lock is held. */
  mmap_lock: boolean;
  /** Whether the memory of the process still shrinks, so that the exit makes progress. */
  memory_falling: boolean;
  /** Resident memory. null: it could not be read. */
  rss_bytes: number | null;
  /** The diagnosis in one sentence. */
  verdict: string;
}

/**
 * The outcome of a plan.
 * - `killed`: the victim exited, and its memory is free or memory is no longer short. `ended`: the victim exited, but its memory is not free yet.
 * - `recovered`: the shortage passed before the victim had to be killed, or the victim exited by itself.
 * - `survived`: the victim did not exit, the ladder has no step that kills, or the signal was refused.
 * - `kernel_first`: the kernel killed the victim before the guard did.
 * - `would_kill`: in mode `dry_run`, the guard would have killed the victim.
 * - `same_victim`: in mode `shadow`, the kernel killed the guard's victim. `other_victim`: it killed another process.
 * - `unforeseen`: in mode `shadow`, the kernel killed a process although no rule had fired.
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

/** The end of a plan. */
export interface GuardResult extends Envelope {
  type: 'guard.result';
  /** The id of the plan. null: there was no plan (`unforeseen`). */
  plan_id: string | null;
  /** Whether the guard acts. */
  mode: GuardMode;
  /** The name of the rule. null: no rule had fired (`unforeseen`). */
  rule: string | null;
  /** The outcome of the plan. */
  outcome: GuardOutcome;
  /** The victim of the plan. If there was no plan (`unforeseen`), the victim of the kernel. */
  target: GuardTarget;
  /** How much the available memory has grown since the rule fired. null: unknown. */
  freed_bytes: number | null;
  /** From the measurement that fired the rule to the first signal. null: no signal was sent. */
  trigger_to_signal_ns: number | null;
  /** From the first signal to the exit. null: no signal was sent, or the victim lives. */
  signal_to_exit_ns: number | null;
  /** From the first signal until half the victim's memory was free or the shortage ended. null: not within 2 s. */
  signal_to_memory_back_ns: number | null;
  /** The result of process_mrelease(2). null: it was not called, because the victim exited at once. */
  mrelease: string | null;
  /** Whether the kernel's OOM killer also killed a process during the plan. null: unknown. */
  kernel_killed_too: boolean | null;
  /** In mode `shadow`, the process that the kernel killed. null: another mode. */
  kernel_victim: { pid: number; comm: string | null } | null;
  /** In mode `shadow`, the time from the plan to the kernel's kill. null: another mode, or there was no plan. */
  lead_ns: number | null;
  /** Why the victim still exists. null: it has exited, or the reason is unknown. */
  stuck: StuckDiagnosis | null;
}

/**
 * Why a rule fired but the guard did nothing.
 * - `recovered`: the shortage had passed when the guard measured again.
 * - `no_candidate`: there is no process that may be killed.
 * - `no_help`: a kill would free far less than is needed, because shared memory, a tmpfs or the kernel holds the
 * memory.
 * - `being_freed`: a process is exiting, and its memory is about to be free.
 * - `budget`: the guard reached its limit of kills in one minute.
 * - `cool_down`: the minimum time since the last kill of this rule has not passed.
 * - `victim_changed`: the victim exited, now runs another program, or has moved to another cgroup.
 */
export type GuardSkipReason =
  | 'recovered'
  | 'no_candidate'
  | 'no_help'
  | 'being_freed'
  | 'budget'
  | 'cool_down'
  | 'victim_changed';

/** A rule fired, but the guard did nothing. */
export interface GuardSkipped extends Envelope {
  type: 'guard.skipped';
  /** The id of the plan that was given up. null: there was no plan yet. */
  plan_id: string | null;
  /** Whether the guard acts. */
  mode: GuardMode;
  /** The name of the rule. */
  rule: string;
  /** The system or cgroup that is short of memory. */
  subject: PressureSubject;
  /** Why the guard did nothing. */
  reason: GuardSkipReason;
  /** More about the reason. null: there is nothing to add. */
  detail: string | null;
  /** What the detectors of the rule measured. */
  because: GuardReading[];
  /** At most 200 of the processes that must not be killed. Kernel threads are only counted, in `rejected_by_reason`. */
  rejected: GuardRejection[];
  /** The number of processes that must not be killed, by reason. */
  rejected_by_reason: Partial<Record<GuardRejectionReason, number>>;
  /** The number of times that this happened since the last event of this kind. */
  times: number;
}

/**
 * A part of the guard that can fail while the guard runs.
 * - `sampling`: reading memory and processes. While it fails, the guard cannot detect a shortage.
 * - `arming`: letting a BPF program send SIGKILL to the likely victim. While it fails, the guard sends it itself.
 * - `raising_score`: raising the likely victim's oom_score_adj. While it fails, the kernel may choose another process.
 */
export type GuardPart = 'sampling' | 'arming' | 'raising_score';

/** A part of the guard failed, or works again. */
export interface GuardStatus extends Envelope {
  type: 'guard.status';
  /** Whether the guard acts. */
  mode: GuardMode;
  /** The part of the guard. */
  part: GuardPart;
  /** Whether the part works now. */
  state: 'failing' | 'working';
  /** Why the part failed. */
  error: string;
  /** The number of consecutive failures so far. */
  failures: number;
}
