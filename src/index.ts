/**
 * oomscope: an eBPF-backed tracer for OOM kills, as an RxJS stream.
 */

export { alertTo, type Dispatcher, type DispatchOptions } from './alerts/dispatch.ts';
export type { LaneCounts, LaneOptions, LaneReport } from './alerts/lane.ts';
export { openSink } from './alerts/open.ts';
export type { SinkOptions } from './alerts/sink-table.ts';
export type { Sink } from './alerts/sinks/sink.ts';
export { Batch, type WireRecord } from './bpf/wire/batch.ts';
export {
  KillFact,
  KillKind as WireKillKind,
  OomKillRecord,
  OomStep,
  OomStepRecord,
  RecordKind,
} from './bpf/wire/layout.ts';
export { type Config, parseConfig, readConfig } from './config/config.ts';
export {
  type ContainerWatch,
  type ContainerWatchEvent,
  type ContainerWatchOptions,
  openContainerWatch,
} from './container-watch/container-watch.ts';
export { ownerOf } from './containers/container-path.ts';
export { Containers, type ContainersOptions } from './containers/containers.ts';
export type { Guard } from './guard/guard.ts';
export type { GuardConfig } from './guard/guard-config.ts';
export { type OpenedGuard, openGuard } from './guard/open-guard.ts';
export { type UsageOptions, watchUsage } from './memory/usage.ts';
export { type Alert, alertOf } from './model/alert.ts';
export type * from './model/container.ts';
export type * from './model/container-events.ts';
export { type ErrorCode, OomscopeError } from './model/error.ts';
export type * from './model/events.ts';
export type * from './model/guard.ts';
export type * from './model/pressure.ts';
export type { Receipt } from './model/receipt.ts';
export type * from './model/sample.ts';
export type * from './model/score.ts';
export type { Severity } from './model/severity.ts';
export type * from './model/suggestion.ts';
export {
  defaultWindows,
  type LevelShares,
  openPressure,
  type PressureMonitor,
  type PressureOptions,
  type PressureTotals,
  type PressureWindowOptions,
} from './pressure/monitor.ts';
export {
  openPsiTrigger,
  type PsiReading,
  type PsiTrigger,
  type PsiTriggerOptions,
  readPsi,
} from './pressure/psi-trigger.ts';
export type { UndoLedger } from './process/undo-ledger.ts';
export { type Applied, applyPlan } from './protect/apply.ts';
export { type Plan, type PlanEntry, type PlanOptions, planProtection } from './protect/plan.ts';
export { builtIn as builtInProfiles, type Profile, type Selector } from './protect/profile.ts';
export { ProfileApplier, type ProfileApplierOptions } from './protect/profile-applier.ts';
export { readSubjects, type Subject } from './protect/subject.ts';
export { type Undone, undo } from './protect/undo.ts';
export { openUndoFile } from './protect/undo-file.ts';
export { type ScoresOptions, watchScores } from './scores/scores.ts';
export { GrowthWindow, growthOf, type Slope } from './series/growth.ts';
export { type Episode, episode } from './stream/episode.ts';
export { type HasLevel, levelAtLeast } from './stream/level-at-least.ts';
export { type PerCgroupOptions, perCgroup } from './stream/per-cgroup.ts';
export { type RateLimit, rateLimited } from './stream/rate-limited.ts';
export { type SustainedOptions, sustained } from './stream/sustained.ts';
export { openTracer, type Tracer, type TracerOptions } from './tracer/tracer.ts';
