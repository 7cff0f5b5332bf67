/**
 * Computes when to take the next sample, so that the memory that is left cannot be filled before. Like earlyoom, it
 * assumes that processes fill at most 6 GB/s of memory and 800 MB/s of swap.
 */
import type { Sample, SampledCgroup } from '../../model/sample.ts';
import { placesOf, together } from './detect.ts';
import { exhaustedInSeconds, lacksSwap, measure, usedBytes } from './metric.ts';
import type { Detector, PolicyOptions, Rule } from './rule.ts';

/** The fastest that processes fill memory and swap. */
export const FILL_BYTES_PER_MS = { available: 6e6, swap_free: 0.8e6 } as const;
export const FASTEST_MS = 10;
export const SLOWEST_MS = 1000;
/** Longest interval between samples while looks show everything that a rule reads (ms), see `mayRest()`. */
const RESTING_MS = 4000;
/**
 * Longest interval between samples while memory is nearly short (ms). It is much shorter than the time after which an
 * arming expires.
 */
export const ARMED_MS = 200;
/** Longest interval while a victim is armed, but memory does not shrink (ms), see ARMED_MS. */
const STABLE_MS = 1000;
/**
 * Interval (ms) for metrics such as pressure and growth, whose value does not tell how soon they may reach their limit.
 */
const STEADY_MS = 100;
/** Interval for the kernel's averages of pressure (ms), which change every 2 s (kernel/sched/psi.c: PSI_FREQ). */
const AVERAGE_MS = 500;
/** Interval between scans of all processes (ms), while a rule that ranks by growth may soon have to choose a victim. */
export const FOLLOW_MS = 250;
/** All processes are scanned from when the values of a rule are this many times as far away as its limits. */
const FOLLOW_TIMES = 10;
/** Memory is sampled all the time from when it would last this many times as long as a rule asks for. */
const SOON_TIMES = 10;
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
      placesOf(rule.on, sample).some(
        (place) => isNear(rule, sample, place, FOLLOW_TIMES) && isShrinking(sample, place),
      ),
  );
}

/** Whether memory is shrinking at a place of a rule. */
const isShrinkingAnywhere = (rules: readonly Rule[], sample: Sample): boolean =>
  rules.some(({ on }) => placesOf(on, sample).some((place) => isShrinking(sample, place)));

/**
 * For how long looks can take the place of samples (ms).
 *
 * @param now.armed whether a victim is armed
 * @param now.calm whether no rule fires, and no response is running
 */
export function longestMs(policy: PolicyOptions, sample: Sample, now: { armed: boolean; calm: boolean }): number {
  if (isShrinkingAnywhere(policy.rules, sample)) return ARMED_MS;
  if (now.armed) return STABLE_MS;
  return now.calm && mayRest(policy, sample) ? RESTING_MS : SLOWEST_MS;
}

/**
 * Whether no sample is needed before memory moves: every rule watches only memory, of the system or of cgroups that exist
 * and whose whole names it has, asks for no time, and is not near. A new cgroup could be full within seconds.
 */
const mayRest = ({ rules }: PolicyOptions, sample: Sample): boolean =>
  rules.every(
    (rule) =>
      rule.on.every((place) => place.kind === 'system' || (place.kind === 'cgroup' && exists(place.glob, sample))) &&
      rule.when.every((detector) => holdsWhenShort(detector) && detector.forMs === 0) &&
      placesOf(rule.on, sample).every((cgroup) => !isNear(rule, sample, cgroup)),
  );

const exists = (path: string, { cgroups }: Sample) => cgroups.some((cgroup) => cgroup.path === path);

/** How many bytes of memory must be taken at a place before any rule can fire there. `path` null: the system. */
export interface Slack {
  path: string | null;
  bytes: number;
}

/**
 * While the memory of every place has shrunk by less than its slack since this sample, no rule can fire, and a sample
 * would be wasted. undefined: that cannot be said, because a rule watches something else than memory.
 */
export function slackOf({ rules }: PolicyOptions, sample: Sample): Slack[] | undefined {
  const least = new Map<string | null, number>();
  for (const rule of rules) {
    for (const cgroup of placesOf(rule.on, sample)) {
      const slack = slackAt(rule, sample, cgroup);
      if (!slack) return undefined;
      least.set(slack.path, Math.min(slack.bytes, least.get(slack.path) ?? Number.POSITIVE_INFINITY));
    }
  }
  return [...least].map(([path, bytes]) => ({ path, bytes }));
}

/** The slack by the detector of memory that is furthest from holding: while it does not hold, the rule cannot fire. */
function slackAt({ when }: Rule, sample: Sample, cgroup: SampledCgroup | undefined): Slack | undefined {
  let best: Slack | undefined;
  for (const detector of when) {
    const ofGrowth = detector.metric.name === 'exhausted_in' && isBelow(detector);
    if (!ofGrowth && !holdsWhenShort(detector)) continue;
    const bytes = ofGrowth ? bytesUntilGrowth(detector, sample, cgroup) : bytesUntil(detector, sample, cgroup);
    const path = (detector.place === 'system' ? undefined : cgroup?.path) ?? null;
    if (bytes !== undefined && bytes > (best?.bytes ?? 0)) best = { path, bytes };
  }
  return best;
}

/** Whether this is a detector of memory that begins to hold when memory shrinks, and not when it grows. */
function holdsWhenShort(detector: Detector): boolean {
  const { name } = detector.metric;
  return (name === 'available' && isBelow(detector)) || (name === 'usage' && !isBelow(detector));
}

const isBelow = ({ operator }: Detector) => operator === '<' || operator === '<=';

/**
 * How many bytes must be taken before it is worth measuring whether the rest will last: a quarter of the rest. 0: memory
 * shrinks already so that the detector holds, or may soon hold.
 */
function bytesUntilGrowth(detector: Detector, sample: Sample, cgroup: SampledCgroup | undefined): number | undefined {
  const subject = detector.place === 'system' ? undefined : cgroup;
  const { system } = sample;
  const seconds = measure(detector, system, subject);
  if (seconds !== null && seconds <= SOON_TIMES * detector.limit) return 0;
  const used = subject && usedBytes(subject);
  if (used === null || subject?.limit_bytes === null) return undefined;
  const left = subject ? (subject.limit_bytes ?? 0) - (used ?? 0) : system.available_bytes + system.swap_free_bytes;
  return Math.max(0, left) / 4;
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
    const { limit, metric, unit } = detector;
    if (isBelow(detector)) return value <= times * limit;
    if (metric.name === 'usage' && unit === 'percent') return 100 - value <= times * (100 - limit);
    return value >= limit / times;
  });
  return together(verdicts);
}

/** As isNear(), but without the detectors of growth. false: the rule has no others. */
export function isNearWithoutGrowth(rule: Rule, sample: Sample, cgroup: SampledCgroup | undefined): boolean {
  const when = rule.when.filter(({ metric: { name } }) => name !== 'exhausted_in' && name !== 'growth');
  return when.length > 0 && isNear({ ...rule, when }, sample, cgroup);
}

function untilMs(detector: Detector, sample: Sample, cgroup: SampledCgroup | undefined): number {
  const { metric } = detector;
  const { name } = metric;
  if (metric.name === 'pressure' && typeof metric.over === 'string') return AVERAGE_MS;
  if (name === 'exhausted_in') return untilExhaustedMs(detector, sample, cgroup);
  if (name !== 'available' && name !== 'swap_free' && name !== 'usage') return STEADY_MS;
  if (lacksSwap(detector, sample.system, cgroup)) return 0;
  const bytes = bytesUntil(detector, sample, cgroup);
  return bytes === undefined ? SLOWEST_MS : bytes / FILL_BYTES_PER_MS[name === 'swap_free' ? name : 'available'];
}

/** The bytes of memory or swap until a detector of them holds; 0: it holds. undefined: its value is unknown. */
function bytesUntil(detector: Detector, sample: Sample, cgroup: SampledCgroup | undefined): number | undefined {
  const { name } = detector.metric;
  const value = measure(detector, sample.system, cgroup);
  if (value === null) return undefined;
  const away = name === 'usage' ? detector.limit - value : value - detector.limit;
  if (away <= 0) return 0;
  const { system } = sample;
  const limit = detector.place === 'system' ? null : cgroup?.limit_bytes;
  const all = name === 'usage' ? system.total_bytes : system.available_bytes + system.anon_bytes;
  const whole = name === 'swap_free' ? system.swap_total_bytes : (limit ?? all);
  return detector.unit === 'percent' ? (away / 100) * whole : away;
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
