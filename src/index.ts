/**
 * oomscope: an eBPF-backed tracer for OOM kills, as an RxJS stream.
 */
export { type ErrorCode, OomscopeError } from './model/error.ts';
export type * from './model/events.ts';
export type * from './model/pressure.ts';
export { openTracer, type Tracer, type TracerOptions } from './sources/tracer.ts';
export { type UsageOptions, watchUsage } from './sources/usage.ts';
export { GrowthWindow, growthOf, type Slope } from './stream/growth.ts';
export { Batch, type WireRecord } from './wire/batch.ts';
export {
  KillFact,
  KillKind as WireKillKind,
  OomKillRecord,
  OomStep,
  OomStepRecord,
  RecordKind,
} from './wire/layout.ts';
