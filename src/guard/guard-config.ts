import type { GuardMode } from '../model/guard.ts';
import type { PolicyOptions } from './rules/rule.ts';

/** How a guard is set up: what a configuration file, the options of `oomscope guard` and earlyoom's flags become. */
export interface GuardConfig {
  mode: GuardMode;
  policy: PolicyOptions;
  /** Raise the likely victim's oom_score_adj while memory is short, so that the kernel would take it too. */
  raiseScore: boolean;
  /** Have the likely victim signalled by the kernel or the addon when memory runs out faster than the rules are. */
  arm: boolean;
  lockMemory: boolean;
  /** SCHED_RR priority; 0: none. */
  realtimePriority: number;
  /** Where what has to be taken back after a crash is written down. */
  stateFile: string | undefined;
  /** It looks no more often than this. */
  fastestMs: number;
}
