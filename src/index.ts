/**
 * oomscope: OOM kills and memory pressure of Linux as RxJS streams. Needs `rxjs` 7.8 or a later 7.x, which is a peer.
 *
 * `oomscope/explain` reads kernel logs, and `oomscope/testing` has recorded events; neither loads native code.
 */

export type { AlertQueue } from './alerts/alert-queue.ts';
export { alertTo, type Dispatcher, type DispatchOptions } from './alerts/dispatch.ts';
export type { LaneCounts, LaneOptions, LaneReport } from './alerts/lane.ts';
export { openSink } from './alerts/open.ts';
export type { SinkOptions } from './alerts/sink-table.ts';
export type { Sink } from './alerts/sinks/sink.ts';
export { type Config, parseConfig, readConfig } from './config/config.ts';
export {
  type ContainerWatch,
  type ContainerWatchEvent,
  type ContainerWatchOptions,
  openContainerWatch,
} from './container-watch/container-watch.ts';
export { ownerOf } from './containers/container-path.ts';
export { ContainerResolver, type ContainerResolverOptions } from './containers/container-resolver.ts';
export type { Guard } from './guard/guard.ts';
export type { GuardConfig } from './guard/guard-config.ts';
export { type OpenedGuard, openGuard } from './guard/open-guard.ts';
export { type UsageOptions, watchUsage } from './memory/usage.ts';
export { type Alert, alertOf } from './model/alert.ts';
export type * from './model/container.ts';
export type * from './model/container-events.ts';
export type * from './model/envelope.ts';
export { type ErrorCode, errorCodes, OomscopeError } from './model/error.ts';
export type { Event, EventType } from './model/events.ts';
export type * from './model/fleet.ts';
export type * from './model/guard.ts';
export type * from './model/oom-comparison.ts';
export type * from './model/oom-kill.ts';
export type * from './model/oom-other-kill.ts';
export type * from './model/oom-report.ts';
export type * from './model/oom-stuck.ts';
export type * from './model/pressure.ts';
export type * from './model/process.ts';
export type * from './model/process-killed.ts';
export type { Receipt } from './model/receipt.ts';
export type * from './model/sample.ts';
export type * from './model/score.ts';
export type { Severity } from './model/severity.ts';
export type * from './model/shortage.ts';
export type * from './model/suggestion.ts';
export type * from './model/tracer.ts';
export { setNativeDirectory } from './native/files.ts';
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
export type { ScoreSort, ScoresOptions } from './scores/score-sampler.ts';
export { type WatchScoresOptions, watchScores } from './scores/watch-scores.ts';
export { GrowthWindow, growthOf, type Slope } from './series/growth.ts';
export { type Episode, episode } from './stream/episode.ts';
export { type HasLevel, levelAtLeast } from './stream/level-at-least.ts';
export { type PerCgroupOptions, perCgroup } from './stream/per-cgroup.ts';
export { type RateLimit, rateLimited } from './stream/rate-limited.ts';
export { type SustainedOptions, sustained } from './stream/sustained.ts';
export { openTracer, type Tracer, type TracerOptions } from './tracer/tracer.ts';
