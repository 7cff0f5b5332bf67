/**
 * The events of schema `oomscope/v1`: one JSON object a line. Units are in the names; `null` means unknown, never zero;
 * integers that can pass 2^53 are decimal strings. Within v1 fields are added and never change their meaning.
 */

import type { ContainerKilled, ContainerOom } from './container-events.ts';
import type { GuardAction, GuardPlan, GuardResult, GuardSkipped } from './guard.ts';
import type { OomKill, OomReaped } from './oom-kill.ts';
import type { OomPatterns, OomReport } from './oom-report.ts';
import type { PressureCountdown, PressureLevel, PressureStall, UsageLevel } from './pressure.ts';
import type { ScoreSample } from './score.ts';
import type { MemoryReclaimed, MemorySuggestion } from './suggestion.ts';
import type { TracerLost, TracerStarted, TracerStopped } from './tracer.ts';

export type * from './envelope.ts';
export { SCHEMA } from './envelope.ts';
export type * from './oom-kill.ts';
export type * from './tracer.ts';

export type Event =
  | OomKill
  | OomReaped
  | OomReport
  | OomPatterns
  | PressureStall
  | PressureLevel
  | PressureCountdown
  | UsageLevel
  | MemorySuggestion
  | MemoryReclaimed
  | ContainerOom
  | ContainerKilled
  | GuardPlan
  | GuardAction
  | GuardResult
  | GuardSkipped
  | ScoreSample
  | TracerStarted
  | TracerLost
  | TracerStopped;
export type EventType = Event['type'];
