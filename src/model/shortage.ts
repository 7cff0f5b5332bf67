/** A shortage of memory that is worth a person's attention. The raw signals are in pressure.ts. */
import type { Envelope } from './envelope.ts';
import type { Growth, PressureLevelName, PressureSubject } from './pressure.ts';

/**
 * Why memory is short.
 * - `stalls`: tasks have waited for memory for a large share of a long window, and reclaim cannot help them.
 * - `limit`: memory that cannot be reclaimed grows, and reaches the limit soon.
 */
export type ShortageCause = 'stalls' | 'limit';

/**
 * The level of a shortage of memory changed. Several raw signals must agree before oomscope emits it, so that a
 * `critical` one is worth an alert. Only the lowest cgroup whose memory is short is reported, and not each cgroup above
 * it. An episode begins when the level leaves `normal` and ends when it is `normal` again.
 */
export interface MemoryShortage extends Envelope {
  type: 'memory.shortage';
  /** The system, or a cgroup with a limit. */
  subject: PressureSubject;
  /** The level now. */
  level: PressureLevelName;
  /** The level before. */
  previous: PressureLevelName;
  /** The highest level of the episode so far. */
  peak: PressureLevelName;
  /** The id of the episode, the same for all its events. Alerts use it to drop duplicates. */
  episode: string;
  /** How long the episode has lasted. When `level` is `normal`, the length of the whole episode. */
  duration_ns: number;
  /** Why memory is short. null: `level` is `normal`. */
  cause: ShortageCause | null;
  /** The length of the window of `some` and `full`. */
  window_seconds: number;
  /** The share of the window in which at least one task was stalled, 0 to 1. null: unknown. */
  some: number | null;
  /** The share of the window in which tasks were stalled and no task could run, 0 to 1. null: unknown. */
  full: number | null;
  /** The memory that reclaim cannot free without swap. The system: MemTotal - MemAvailable. */
  unreclaimable_bytes: number;
  /** MemTotal; for a cgroup its limit, or its memory.high if that is lower. */
  limit_bytes: number;
  /** The swap that may still be used. 0: there is none. */
  swap_left_bytes: number;
  /** The memory that was evicted and soon read again, a second, over the window. null: unknown. */
  refaults_bytes_per_second: number | null;
  /** How fast `unreclaimable_bytes` grows, and when the limit is reached. null: it does not grow steadily. */
  growth: Growth | null;
}
