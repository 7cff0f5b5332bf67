import type { GuardMode } from '../model/guard.ts';
import type { PolicyOptions } from './rules/rule.ts';

/** The settings of a guard. A configuration file, the options of `oomscope guard` and earlyoom's options all become this. */
export interface GuardConfig {
  /** Whether the guard acts. */
  mode: GuardMode;
  /** The rules, and which processes are never candidates. */
  policy: PolicyOptions;
  /** Raise the likely victim's oom_score_adj while memory is short, so that the kernel would take it too. */
  raiseScore: boolean;
  /** Let the kernel or the addon signal the likely victim when memory runs out faster than the rules are checked. */
  arm: boolean;
  /** Lock the code of the guard in memory. */
  lockMemory: boolean;
  /** SCHED_RR priority from 1 to 99; 0: none. */
  realtimePriority: number;
  /** The undo ledger: what has to be undone after a crash. undefined: in systemd's STATE_DIRECTORY, else none. */
  stateFile: string | undefined;
  /** Shortest interval between samples (ms). */
  fastestMs: number;
}
