/**
 * A rule: which places it watches, when it fires, how it chooses its victim, and which steps it takes. The policy does
 * not validate rules: the reader of the configuration has done that.
 */
import type { GuardRank, GuardReading, GuardStep, GuardUnit } from '../../model/guard.ts';
import type { StepSettings } from '../steps/steps.ts';
import type { Pattern } from './pattern.ts';
import type { Supervisor } from './standing.ts';

export type Metric =
  /**
   * System: MemAvailable, in percent of MemAvailable + AnonPages, as earlyoom counts since 1.8: a kill does not free
   * files on a tmpfs. Cgroup: limit - usage + what the kernel reclaims before it kills, in percent of the limit.
   */
  | { name: 'available' }
  /**
   * SwapFree, in percent of SwapTotal. Cgroup: the swap that the cgroup may still use by its limit and by the free
   * swap of the system. Unknown if there is no swap: see `lacksSwap()` in metric.ts.
   */
  | { name: 'swap_free' }
  /** The opposite of `available`, in percent of MemTotal or of the limit. */
  | { name: 'usage' }
  /**
   * Percent of the time in which tasks were stalled. `over`: an average of the kernel, or the length of a window that
   * oomscope measures itself (ms).
   */
  | { name: 'pressure'; share: 'some' | 'full'; over: 'avg10' | 'avg60' | 'avg300' | number }
  /** Memory that zram uses, in percent of MemTotal, or as a size. */
  | { name: 'zram' }
  | { name: 'growth' }
  /** Seconds until no memory is left if usage continues to grow at the current rate. */
  | { name: 'exhausted_in' }
  /** How many more reclaims in a row may free nothing before the kernel's OOM killer kills: 16 and less. */
  | { name: 'rounds_left' };

export interface Detector {
  /** The detector as text for messages: "available < 10 %". */
  text: string;
  /**
   * `subject`: the value of the place that the rule watches. `system`: the value of the whole system, also in a rule
   * that watches cgroups.
   */
  place: 'subject' | 'system';
  metric: Metric;
  operator: '<' | '<=' | '>' | '>=';
  limit: number;
  unit: GuardReading['unit'];
  /** The comparison must have been true for this long (ms). */
  forMs: number;
}

/** The places that a rule watches. The rule fires for each cgroup independently. `limited`: cgroups with a limit. */
export type Place =
  | { kind: 'system' }
  | { kind: 'containers' }
  | { kind: 'limited' }
  | { kind: 'cgroup'; glob: string };

/** Matches a process that meets all of these conditions. A condition on a value that cannot be read is not met. */
export interface Match {
  /** The conditions as text for messages: `comm ^chrome$`. */
  text: string;
  /** The name: the kernel's of 15 bytes, or the whole one where the kernel has truncated it. */
  comm?: Pattern;
  exe?: Pattern;
  cmdline?: Pattern;
  /** The working directory. */
  cwd?: Pattern;
  /** One of the variables, "NAME=VALUE". */
  environ?: Pattern;
  uid?: number;
  oomScoreAdj?: { least: number; most: number };
  /** Globs, as are the following conditions. */
  cgroup?: string;
  systemdUnit?: string;
  container?: string;
}

/**
 * Makes a process more (points > 0) or less (points < 0) likely to be chosen. 1000 points correspond to the cgroup's
 * limit, or to all RAM and swap.
 */
export interface Preference {
  match: Match;
  points: number;
}

/** A step of a ladder, with the options of its kind: src/guard/steps/steps.ts. */
export interface Step extends StepSettings {
  do: GuardStep;
  /** The step is taken only if all of these detectors are true when its turn comes. */
  if: Detector[];
  /** The step is taken before its turn as soon as all of these detectors are true. Empty: never before its turn. */
  atOnce: Detector[];
  /** The waiting time before the next step (ms). Infinity: the next step is never taken because of time. */
  waitMs: number;
}

export interface Rule {
  name: string;
  on: Place[];
  /** The rule fires at a place where all of these detectors are true. */
  when: Detector[];
  rank: GuardRank;
  unit: GuardUnit;
  /**
   * Processes that hold less memory, resident and swapped together, are never chosen, because killing them would not
   * help. undefined: 16 MiB, or less in a small cgroup (see `leastBytes()` in rank.ts).
   */
  minBytes: number | undefined;
  /** Candidates with fewer points, preferences included, are never chosen. */
  minPoints: number;
  /**
   * Candidates whose own growth is less than this share of the growth of the place are never chosen. 0: growth does not
   * matter.
   */
  minGrowthShare: number;
  preferences: Preference[];
  never: Match[];
  /** Treat an oom_score_adj above 0 as 0. */
  ignorePositiveAdj: boolean;
  /** Kill the whole cgroup where `memory.oom.group` is set, as the kernel would. */
  honourOomGroup: boolean;
  steps: Step[];
  /** The cool-down: after a response at a place has ended, the rule does not act there for this long (ms). */
  coolDownMs: number;
  /** The files of cgroups that steps have written are restored this long after the shortage (ms). */
  undoAfterMs: number;
}

export interface PolicyOptions {
  rules: Rule[];
  /** Limit of kills in any period of 60 s. */
  killsPerMinute: number;
  /** Processes that match one of these are never killed by any rule, in addition to each rule's `never`. */
  protect: Match[];
  /** Whose order among processes comes before the score of the rules. No configuration has it. */
  supervisor?: Supervisor | undefined;
}
