import type { GuardMode } from '../model/guard.ts';
import type { PolicyOptions } from './rules/rule.ts';

/** The settings of a guard. A configuration file, the options of `oomscope guard` and earlyoom's options all become this. */
export interface GuardConfig {
  /** Whether the guard kills, only reports what it would do, or compares its choice with the kernel's. */
  mode: GuardMode;
  /** The rules, and which processes are never candidates. */
  policy: PolicyOptions;
  /**
   * Raise the likely victim's oom_score_adj while memory is nearly short, so that the kernel's OOM killer would choose
   * the same process.
   */
  raiseScore: boolean;
  /** Let the kernel or the addon signal the likely victim when memory runs out faster than the rules are checked. */
  arm: boolean;
  /** Lock the code of the guard in memory. */
  lockMemory: boolean;
  /** SCHED_RR priority from 1 to 99; 0: the guard keeps its normal scheduling policy. */
  realtimePriority: number;
  /**
   * The file of the undo ledger, which lists the changes that must be undone after a crash. undefined: a file of the
   * guard's own in the first of these directories that can be used: for root the unit's RUNTIME_DIRECTORY, /run/oomscope,
   * the unit's STATE_DIRECTORY, /var/lib/oomscope; for another user one in XDG_RUNTIME_DIR, /run/user/UID, or the
   * directory of temporary files.
   */
  stateFile: string | undefined;
  /** Shortest interval between samples (ms). */
  fastestMs: number;
}
