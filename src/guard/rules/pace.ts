/**
 * When to sample next: in less time than it takes to fill the memory that is left. Memory is assumed to fill at 6 GB/s and
 * swap at 800 MB/s, as earlyoom assumes.
 */
import type { Sample, SampledCgroup } from '../../model/sample.ts';
import { placesOf } from './detect.ts';
import { exhaustedInSeconds, measure } from './metric.ts';
import type { Detector, PolicyOptions, Rule } from './rule.ts';

const FILL_BYTES_PER_MS = { available: 6e6, swap_free: 0.8e6 } as const;
export const FASTEST_MS = 10;
export const SLOWEST_MS = 1000;
/** For metrics whose value does not tell how soon they may change: pressure, growth. */
const STEADY_MS = 100;
/** Interval of scans of all processes, where a rule ranks by growth and may soon have to choose. */
export const FOLLOW_MS = 250;
/** Memory is shrinking when none would be left within this time. */
const SHRINKING_SECONDS = 60;

export function nextSampleMs({ rules }: PolicyOptions, sample: Sample): number {
  let soonest = worthFollowing(rules, sample) ? FOLLOW_MS : SLOWEST_MS;
  for (const rule of rules) {
    for (const cgroup of placesOf(rule.on, sample)) {
      soonest = Math.min(soonest, Math.max(FASTEST_MS, headroomMs(rule, sample, cgroup)));
    }
  }
  return soonest;
}

/** The least time in which a rule may fire. All of its detectors must hold, so the slowest decides. */
export function headroomMs({ when }: Rule, sample: Sample, cgroup: SampledCgroup | undefined): number {
  return Math.max(...when.map((detector) => untilMs(detector, sample, cgroup)));
}

/**
 * Whether a rule that ranks by growth may soon have to choose. Growth needs earlier scans of all processes, which cost too
 * much to be made all the time.
 */
export function worthFollowing(rules: readonly Rule[], sample: Sample): boolean {
  return rules.some(
    (rule) =>
      (rule.rank === 'growth' || rule.rank === 'projected') &&
      placesOf(rule.on, sample).some((place) => isNear(rule, sample, place, 4) && isShrinking(sample, place)),
  );
}

/** Whether no memory would be left within a minute, at the present growth. */
export function isShrinking({ system }: Sample, cgroup: SampledCgroup | undefined): boolean {
  return (exhaustedInSeconds(system, cgroup) ?? Number.POSITIVE_INFINITY) < SHRINKING_SECONDS;
}

/**
 * Whether memory is at least half-way to where all detectors of a rule hold: at most twice what must be left, at least half
 * of what must be reached.
 *
 * @param times another factor than 2
 */
export function isNear({ when }: Rule, sample: Sample, cgroup: SampledCgroup | undefined, times = 2): boolean {
  return when.every((detector) => {
    const value = measure(detector, sample.system, cgroup);
    if (value === null) return false;
    const { operator, limit, metric, unit } = detector;
    if (operator === '<' || operator === '<=') return value <= times * limit;
    if (metric.name === 'usage' && unit === 'percent') return 100 - value <= times * (100 - limit);
    return value >= limit / times;
  });
}

function untilMs(detector: Detector, sample: Sample, cgroup: SampledCgroup | undefined): number {
  const { name } = detector.metric;
  if (name !== 'available' && name !== 'swap_free' && name !== 'usage') return STEADY_MS;
  const value = measure(detector, sample.system, cgroup);
  if (value === null) return SLOWEST_MS;
  const away = name === 'usage' ? detector.limit - value : value - detector.limit;
  if (away <= 0) return 0;
  const { system } = sample;
  const whole =
    name === 'swap_free'
      ? system.swap_total_bytes
      : (cgroup?.limit_bytes ?? system.available_bytes + system.anon_bytes);
  const bytes = detector.unit === 'percent' ? (away / 100) * whole : away;
  return bytes / FILL_BYTES_PER_MS[name === 'swap_free' ? 'swap_free' : 'available'];
}
