/**
 * Computes when to take the next sample, so that the memory that is left cannot be filled before. Like earlyoom, it
 * assumes that processes fill at most 6 GB/s of memory and 800 MB/s of swap.
 */
import type { Sample, SampledCgroup } from '../../model/sample.ts';
import { placesOf, together } from './detect.ts';
import { exhaustedInSeconds, lacksSwap, measure, usedBytes } from './metric.ts';
import type { Detector, PolicyOptions, Rule } from './rule.ts';

const FILL_BYTES_PER_MS = { available: 6e6, swap_free: 0.8e6 } as const;
export const FASTEST_MS = 10;
export const SLOWEST_MS = 1000;
/**
 * Interval (ms) for metrics such as pressure and growth, whose value does not tell how soon they may reach their limit.
 */
const STEADY_MS = 100;
/** Interval between scans of all processes (ms), while a rule that ranks by growth may soon have to choose a victim. */
export const FOLLOW_MS = 250;
/** Memory counts as shrinking when, at the current rate, no memory would be left within this time. */
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

/**
 * The shortest time from now until the rule may fire (ms). All of its detectors must be true, so the last detector to
 * become true decides.
 */
export function headroomMs({ when }: Rule, sample: Sample, cgroup: SampledCgroup | undefined): number {
  if (when.every((detector) => lacksSwap(detector, sample.system, cgroup))) return SLOWEST_MS; // it never fires
  return Math.max(...when.map((detector) => untilMs(detector, sample, cgroup)));
}

/**
 * Whether a rule that ranks by growth may soon have to choose a victim. Growth is computed from earlier scans of all
 * processes, which are too expensive to be made all the time.
 */
export function worthFollowing(rules: readonly Rule[], sample: Sample): boolean {
  return rules.some(
    (rule) =>
      (rule.rank === 'growth' || rule.rank === 'projected') &&
      placesOf(rule.on, sample).some((place) => isNear(rule, sample, place, 4) && isShrinking(sample, place)),
  );
}

/** Whether no memory would be left within a minute if usage continues to grow at the current rate. */
export function isShrinking({ system }: Sample, cgroup: SampledCgroup | undefined): boolean {
  return (exhaustedInSeconds(system, cgroup) ?? Number.POSITIVE_INFINITY) < SHRINKING_SECONDS;
}

/**
 * Whether a rule is near to firing: the value of each detector is at most twice its limit, for a limit that the value
 * must fall below, or at least half of its limit, for a limit that the value must exceed. For usage in percent, the
 * percentage that is left counts instead.
 *
 * @param times the factor, by default 2
 */
export function isNear({ when }: Rule, sample: Sample, cgroup: SampledCgroup | undefined, times = 2): boolean {
  const verdicts = when.map((detector) => {
    if (lacksSwap(detector, sample.system, cgroup)) return 'as the others';
    const value = measure(detector, sample.system, cgroup);
    if (value === null) return false;
    const { operator, limit, metric, unit } = detector;
    if (operator === '<' || operator === '<=') return value <= times * limit;
    if (metric.name === 'usage' && unit === 'percent') return 100 - value <= times * (100 - limit);
    return value >= limit / times;
  });
  return together(verdicts);
}

function untilMs(detector: Detector, sample: Sample, cgroup: SampledCgroup | undefined): number {
  const { name } = detector.metric;
  if (name === 'exhausted_in') return untilExhaustedMs(detector, sample, cgroup);
  if (name !== 'available' && name !== 'swap_free' && name !== 'usage') return STEADY_MS;
  if (lacksSwap(detector, sample.system, cgroup)) return 0;
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

/**
 * Growth may begin at any time. Until it has been measured, it is assumed that the memory of a whole cgroup, or of the
 * system, is not filled within a second.
 */
function untilExhaustedMs(detector: Detector, sample: Sample, cgroup: SampledCgroup | undefined): number {
  const { system } = sample;
  const seconds = measure(detector, system, cgroup);
  if (seconds !== null) return Math.max(0, (1000 * (seconds - detector.limit)) / 2);
  const used = cgroup && usedBytes(cgroup);
  const left = cgroup
    ? 1 - (used ?? 0) / (cgroup.limit_bytes ?? Number.POSITIVE_INFINITY)
    : system.available_bytes / system.total_bytes;
  return Math.max(STEADY_MS, Math.min(SLOWEST_MS, 1000 * left));
}
