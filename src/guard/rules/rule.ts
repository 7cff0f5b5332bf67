/**
 * What a rule is: where it looks, when it fires, whom it chooses, and what is then done. All checked beforehand: the
 * policy takes rules as they are.
 */
import type { GuardRank, GuardReading, GuardStep, GuardUnit } from '../../model/guard.ts';
import type { StepSettings } from '../steps/steps.ts';
import type { Pattern } from './pattern.ts';

export type Metric =
  /**
   * System: MemAvailable, in percent of MemAvailable + AnonPages, as earlyoom counts since 1.8: files on a tmpfs are
   * nothing that a kill gives back. Cgroup: limit - usage + inactive files, in percent of the limit.
   */
  | { name: 'available' }
  /** SwapFree, in percent of SwapTotal; 0 where there is no swap. */
  | { name: 'swap_free' }
  /** The opposite of `available`, in percent of MemTotal or of the limit. */
  | { name: 'usage' }
  /** The kernel's averages, or a window of our own in milliseconds. Percent of the time. */
  | { name: 'pressure'; share: 'some' | 'full'; over: 'avg10' | 'avg60' | 'avg300' | number }
  | { name: 'growth' }
  /** Seconds until nothing is left, if it goes on so. */
  | { name: 'exhausted_in' }
  /** Reclaims in vain that the kernel still allows itself before it kills: from 16 down. */
  | { name: 'rounds_left' };

export interface Detector {
  /** As a person would write it: "available < 10 %". */
  text: string;
  /** `system`: that of the whole system, in a rule about cgroups. */
  place: 'subject' | 'system';
  metric: Metric;
  operator: '<' | '<=' | '>' | '>=';
  limit: number;
  unit: GuardReading['unit'];
  /** It must have been so for this long. */
  forMs: number;
}

/** Where a rule looks. Cgroups one by one: each fires by itself. */
export type Place = { kind: 'system' } | { kind: 'containers' } | { kind: 'cgroup'; glob: string };

/** A process that has all of these. What cannot be read does not match. */
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

/** Makes a process more (points > 0) or less likely to be chosen. 1000 points are all of the memory in question. */
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
  /** All of them. At least one. */
  when: Detector[];
  rank: GuardRank;
  unit: GuardUnit;
  /** Whoever has less memory, resident and swapped together, is left alone: it would not help. */
  minBytes: number;
  /** Whoever has fewer points, all counted, is left alone. */
  minPoints: number;
  preferences: Preference[];
  never: Match[];
  /** An oom_score_adj above 0 does not count. */
  ignorePositiveAdj: boolean;
  /** Where `memory.oom.group` is set the whole cgroup goes, as the kernel would have it. */
  honourOomGroup: boolean;
  steps: Step[];
  /** After its ladder has ended nothing happens by this rule for so long. */
  coolDownMs: number;
  /** Throttle and freeze are taken back so long after the shortage. */
  undoAfterMs: number;
}

export interface PolicyOptions {
  rules: Rule[];
  /** No more processes are killed in any 60 s. */
  killsPerMinute: number;
  /** On top of each rule's own. */
  protect: Match[];
}
