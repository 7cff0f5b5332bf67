/**
 * oomscope: an eBPF-backed tracer for OOM kills, as an RxJS stream.
 */

export type { Guard } from './actions/guard.ts';
export { type OpenedGuard, openGuard } from './actions/open-guard.ts';
export { type Config, parseConfig, readConfig } from './config/config.ts';
export type { GuardConfig } from './config/guard.ts';
export { ownerOf } from './enrich/container-path.ts';
export { Containers, type ContainersOptions } from './enrich/containers.ts';
export { type Alert, type AlertSeverity, alertOf } from './model/alert.ts';
export type * from './model/container.ts';
export { type ErrorCode, OomscopeError } from './model/error.ts';
export type * from './model/events.ts';
export type * from './model/guard.ts';
export type * from './model/pressure.ts';
export type * from './model/sample.ts';
export type * from './model/score.ts';
export type * from './model/suggestion.ts';
export { type Applied, applyPlan } from './protect/apply.ts';
export { Journal } from './protect/journal.ts';
export { Keeper, type KeeperOptions } from './protect/keeper.ts';
export { type Plan, type PlanEntry, type PlanOptions, planProtection } from './protect/plan.ts';
export { builtIn as builtInProfiles, type Profile, type Selector } from './protect/profile.ts';
export { readSubjects, type Subject } from './protect/subject.ts';
export { type Undone, undo } from './protect/undo.ts';
export { alertTo, type Dispatcher, type DispatchOptions } from './sinks/dispatch.ts';
export type { LaneCounts, LaneOptions, LaneReport } from './sinks/lane.ts';
export { openSink, type SinkOptions } from './sinks/open.ts';
export type { Receipt, Sink } from './sinks/sink.ts';
export {
  type ContainerWatch,
  type ContainerWatchEvent,
  type ContainerWatchOptions,
  openContainerWatch,
} from './sources/container-watch.ts';
export {
  defaultWindows,
  type LevelShares,
  openPressure,
  type PressureMonitor,
  type PressureOptions,
  type PressureTotals,
  type PressureWindowOptions,
} from './sources/pressure.ts';
export { openPsiTrigger, type PsiReading, type PsiTrigger, type PsiTriggerOptions, readPsi } from './sources/psi.ts';
export { type ScoresOptions, watchScores } from './sources/scores.ts';
export { openTracer, type Tracer, type TracerOptions } from './sources/tracer.ts';
export { type UsageOptions, watchUsage } from './sources/usage.ts';
export { type Episode, episode } from './stream/episode.ts';
export { GrowthWindow, growthOf, type Slope } from './stream/growth.ts';
export { type HasLevel, levelAtLeast } from './stream/level-at-least.ts';
export { type PerCgroupOptions, perCgroup } from './stream/per-cgroup.ts';
export { type RateLimit, rateLimited } from './stream/rate-limited.ts';
export { type SustainedOptions, sustained } from './stream/sustained.ts';
export { Batch, type WireRecord } from './wire/batch.ts';
export {
  KillFact,
  KillKind as WireKillKind,
  OomKillRecord,
  OomStep,
  OomStepRecord,
  RecordKind,
} from './wire/layout.ts';
