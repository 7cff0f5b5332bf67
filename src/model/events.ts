/**
 * The events of schema `oomscope/v1`: one JSON object per line.
 *
 * - The name of a size ends in `_bytes`. A share is a fraction, 0 to 1, unless the name or the field says otherwise.
 * - A moment is `time` (RFC 3339) or `mono_ns` (CLOCK_MONOTONIC). The name of an interval that was measured between two
 *   moments ends in `_ns`, and its value is an integer. The name of a time that is configured, predicted, or read from
 *   a log ends in `_seconds`, and its value may have a fraction.
 * - An integer is a string only where it can exceed 2^53: nanoseconds since boot, which exceed it after 104 days, and
 *   ids of cgroups, whose upper half is a generation number. A sum of nanoseconds above 2^53 is rounded to the nearest
 *   number.
 * - `null` means unknown or none, as the field says. An unknown value is never written as 0.
 * - Severity is `info`, `warning` or `critical`.
 * - The owner of a cgroup is given by `unit`, `pod` and `container`, beside the path of the cgroup.
 * - Within v1 fields may be added; no field is removed or changes its meaning.
 */

import type { ContainerKilled, ContainerOom } from './container-events.ts';
import type { FleetIncident, FleetNode, PublishFolded } from './fleet.ts';
import type { GuardAction, GuardPlan, GuardResult, GuardSkipped, GuardStatus } from './guard.ts';
import type { OomComparison } from './oom-comparison.ts';
import type { OomKill, OomReaped } from './oom-kill.ts';
import type { OomOtherKill } from './oom-other-kill.ts';
import type { OomPatterns, OomReport } from './oom-report.ts';
import type { OomStuck } from './oom-stuck.ts';
import type { PressureCountdown, PressureLevel, PressureStall, UsageLevel } from './pressure.ts';
import type { ProcessKilled } from './process-killed.ts';
import type { ScoreSample } from './score.ts';
import type { MemoryShortage } from './shortage.ts';
import type { MemoryReclaimed, MemorySuggestion } from './suggestion.ts';
import type { TracerLost, TracerStarted, TracerStopped } from './tracer.ts';

export type * from './cgroup-usage.ts';
export type * from './envelope.ts';
export { SCHEMA } from './envelope.ts';
export type * from './kubernetes.ts';
export type * from './oom-kill.ts';
export type * from './oom-stuck.ts';
export type * from './tracer.ts';

/** Any event of oomscope. `type` tells them apart. */
export type Event =
  | OomKill
  | OomReaped
  | OomStuck
  | OomReport
  | OomComparison
  | OomOtherKill
  | OomPatterns
  | ProcessKilled
  | PressureStall
  | PressureLevel
  | PressureCountdown
  | UsageLevel
  | MemoryShortage
  | MemorySuggestion
  | MemoryReclaimed
  | ContainerOom
  | ContainerKilled
  | GuardPlan
  | GuardAction
  | GuardResult
  | GuardSkipped
  | GuardStatus
  | ScoreSample
  | PublishFolded
  | FleetNode
  | FleetIncident
  | TracerStarted
  | TracerLost
  | TracerStopped;

/** The `type` of an event. */
export type EventType = Event['type'];
