/**
 * A rule: where it looks, when it fires, how it chooses its victim, and its steps. The policy takes rules as they are; the
 * configuration has checked them.
 */
import type { GuardRank, GuardReading, GuardStep, GuardUnit } from '../../model/guard.ts';
import type { StepSettings } from '../steps/steps.ts';
import type { Pattern } from './pattern.ts';

export type Metric =
  /**
   * System: MemAvailable, in percent of MemAvailable + AnonPages, as earlyoom counts since 1.8: a kill does not free
   * files on a tmpfs. Cgroup: limit - usage + inactive files, in percent of the limit.
   */
  | { name: 'available' }
  /** SwapFree, in percent of SwapTotal; 0 where there is no swap. */
  | { name: 'swap_free' }
  /** The opposite of `available`, in percent of MemTotal or of the limit. */
  | { name: 'usage' }
  /** The kernel's averages, or a window of our own in milliseconds. Percent of the time. */
  | { name: 'pressure'; share: 'some' | 'full'; over: 'avg10' | 'avg60' | 'avg300' | number }
  | { name: 'growth' }
  /** Seconds until no memory is left, at the present growth. */
  | { name: 'exhausted_in' }
  /** Fruitless reclaims that the kernel still makes before it kills: from 16 down. */
  | { name: 'rounds_left' };

export interface Detector {
  /** As a person would write it: "available < 10 %". */
  text: string;
  /** `system`: the value of the whole system, in a rule about cgroups. */
  place: 'subject' | 'system';
  metric: Metric;
  operator: '<' | '<=' | '>' | '>=';
  limit: number;
  unit: GuardReading['unit'];
  /** The comparison must have held for this long (ms). */
  forMs: number;
}

/** Where a rule looks. Cgroups one by one: each fires by itself. */
export type Place = { kind: 'system' } | { kind: 'containers' } | { kind: 'cgroup'; glob: string };

/** Matches a process that has all of these. What cannot be read does not match. */
export interface Match {
  /** For people: `comm ^chrome$`. */
  text: string;
  comm?: Pattern;
  exe?: Pattern;
  cmdline?: Pattern;
  uid?: number;
  oomScoreAdj?: { least: number; most: number };
  /** Globs. */
  cgroup?: string;
  systemdUnit?: string;
  container?: string;
}

/** Makes a process more (points > 0) or less likely to be chosen. 1000 points are all of the memory that is short. */
export interface Preference {
  match: Match;
  points: number;
}

/** A step of a ladder, with the options of its kind: src/guard/steps/steps.ts. */
export interface Step extends StepSettings {
  do: GuardStep;
  /** Taken only if all of these hold when its turn comes. */
  if: Detector[];
  /** Taken before its turn as soon as all of these hold. Empty: never before its turn. */
  atOnce: Detector[];
  /** How long it may take to help before the next step, in ms. Infinity: until something else happens. */
  waitMs: number;
}

export interface Rule {
  name: string;
  on: Place[];
  /** The rule fires where all of these hold. */
  when: Detector[];
  rank: GuardRank;
  unit: GuardUnit;
  /** Processes that hold less, resident and swapped together, are never chosen: to kill them would not help. */
  minBytes: number;
  /** Candidates with fewer points, preferences included, are never chosen. */
  minPoints: number;
  preferences: Preference[];
  never: Match[];
  /** Treat an oom_score_adj above 0 as 0. */
  ignorePositiveAdj: boolean;
  /** Kill the whole cgroup where `memory.oom.group` is set, as the kernel would. */
  honourOomGroup: boolean;
  steps: Step[];
  /** How long the rule rests at a place after its ladder has ended there. */
  coolDownMs: number;
  /** How long after the shortage what was written to cgroups is undone. */
  undoAfterMs: number;
}

export interface PolicyOptions {
  rules: Rule[];
  /** Limit of kills in any 60 s. */
  killsPerMinute: number;
  /** Processes that no rule kills, in addition to each rule's `never`. */
  protect: Match[];
}
