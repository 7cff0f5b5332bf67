/**
 * Computes a memory limit for a container from observed values, and explains it. The functions are pure.
 *
 * A peak alone does not show the demand: file pages fill any free memory, and usage cannot grow beyond a limit that
 * was hit. So the demand is computed first, from the memory that cannot be reclaimed, from the peak if it was not
 * mostly file pages, and from the time that tasks waited for memory. Then a margin is added.
 */
import type { ContainerReport } from '../model/container-report.ts';
import { formatBytes, formatSpan } from '../text/format.ts';

export interface LimitAdvice {
  /** The advised limit. */
  limit_bytes: number;
  /**
   * A soft limit, not a guarantee: when the machine is short of memory, reclaim spares this much of the container at
   * first.
   */
  reservation_bytes: number;
  /** `raise`, `lower` or `keep` the present limit; `set` a limit if there is none. */
  change: 'raise' | 'lower' | 'keep' | 'set';
  /** `low`: the container ran only for a short time, or its limit hid the real demand. */
  confidence: 'low' | 'fair';
  /** Sentences that explain the advice, in logical order. */
  reasons: string[];
}

const MIB = 2 ** 20;
/** A limit is at least this much above what the container uses. */
const ROOM = 16 * MIB;
/**
 * The limit is the demand times this. The rules of thumb of the kubelet and the JVM also leave a fifth to a quarter
 * free.
 */
const MARGIN = 1.25;
/** The limit is multiplied by this after OOM kills at it, because the demand is higher than the limit but unknown. */
const AFTER_OOM = 1.5;
/**
 * If tasks waited for memory for this share of the last five minutes, the container needs more, even if only for file
 * pages.
 */
const STALLED_PERCENT = 5;
/** If more than this share of the peak is no longer held (file pages, or freed), the peak does not show the demand. */
const MOSTLY_FILE = 0.25;
/** A limit is lowered only if it is at least this many times the demand. */
const GENEROUS = 2;
const SHORT_SECONDS = 3600;

/**
 * @param observedSeconds time since the container was started; null: unknown.
 * @returns undefined: the container does not run
 */
export function adviseLimit(
  report: Omit<ContainerReport, 'remarks'>,
  observedSeconds: number | null,
): LimitAdvice | undefined {
  const { memory } = report;
  if (!memory) return undefined;
  const { limit_bytes: limit, unreclaimable_bytes: held, working_set_bytes: used } = memory;
  const reasons: string[] = [];
  const { wanted, cutOff } = demand(memory, reasons);
  const needed = Math.max(wanted, used + ROOM);
  if (needed > wanted) {
    reasons.push(
      `A container needs at least ${formatBytes(ROOM)} more than it uses, ${formatBytes(used)}: ${formatBytes(needed)}.`,
    );
  }
  let advised = roundUp(needed);
  if (limit !== null && !cutOff && needed <= limit && limit < advised * GENEROUS) {
    reasons.push(
      `The present limit of ${formatBytes(limit)} is more than this, but less than ${GENEROUS} times this: keep the limit.`,
    );
    advised = limit;
  }
  if (limit !== null && advised < limit && (memory.counts.limit_hits ?? 0) > 0) {
    reasons.push(
      `A limit below the present ${formatBytes(limit)} would leave fewer file pages, which may slow the container: keep the limit.`,
    );
    advised = limit;
  }
  if (advised > (limit ?? 0) && advised !== needed) reasons.push(`Rounded up: ${formatBytes(advised)}.`);
  const short = observedSeconds === null || observedSeconds < SHORT_SECONDS;
  if (short) {
    const since =
      observedSeconds === null ? 'Its start time is unknown' : `It has run for only ${formatSpan(observedSeconds)}`;
    reasons.push(`${since}: ask again after its busiest hour.`);
    // A limit is not lowered after a short observation.
    if (limit !== null && advised < limit) {
      reasons.push(`So the limit of ${formatBytes(limit)} is kept; ${formatBytes(advised)} may be enough.`);
      advised = limit;
    }
  }
  return {
    limit_bytes: advised,
    reservation_bytes: Math.min(advised, roundUp(Math.max(held, used))),
    change: limit === null ? 'set' : advised > limit ? 'raise' : advised < limit ? 'lower' : 'keep',
    confidence: short || cutOff ? 'low' : 'fair',
    reasons,
  };
}

/**
 * How many of the OOM kills of a cgroup may have been at its own limit. The kernel counts in `oom_kill` each victim in the cgroup, also one
 * of an OOM of the whole machine (mm/oom_kill.c, __oom_kill_process()).
 */
export function killsAtLimit(counts: Memory['counts']): number {
  // An older agent does not send `ooms`. A limit that was never hit has killed nothing.
  const most = counts.ooms ?? (counts.limit_hits === 0 ? 0 : Number.POSITIVE_INFINITY);
  return Math.min(counts.oom_kills ?? 0, most);
}

type Memory = NonNullable<ContainerReport['memory']>;

/** The demand plus a margin. `cutOff`: the limit hid a higher demand. */
function demand(memory: Memory, reasons: string[]): { wanted: number; cutOff: boolean } {
  const { limit_bytes: limit, peak_bytes: peak, unreclaimable_bytes: held, working_set_bytes: used, counts } = memory;
  const stalled = memory.pressure?.some.avg300 ?? 0;
  const kills = killsAtLimit(counts);
  const times = (count: number) => (count === 1 ? 'once' : `${count} times`);
  if (limit !== null && kills > 0) {
    reasons.push(
      `The OOM killer killed processes in the container ${times(kills)} at ${formatBytes(limit)}, so the demand is higher than the limit, but unknown.`,
      `Try 1.5 times the limit, ${formatBytes(limit * AFTER_OOM)}. If the program leaks memory, no limit is enough.`,
    );
    return { wanted: limit * AFTER_OOM, cutOff: true };
  }
  if (limit !== null && (counts.oom_kills ?? 0) > 0) {
    reasons.push(
      `The OOM killer killed processes in the container ${times(counts.oom_kills ?? 0)}, but not at its limit: a cgroup above it or the whole machine was out of memory. The limit is not raised for that.`,
    );
  }
  const hit = limit !== null && (counts.limit_hits ?? 0) > 0;
  if (hit && stalled >= STALLED_PERCENT) {
    reasons.push(
      `The container is at its limit of ${formatBytes(limit)}, and its tasks waited for memory in ${stalled} % of the last five minutes.`,
      `Add a quarter: ${formatBytes(limit * MARGIN)}.`,
    );
    return { wanted: limit * MARGIN, cutOff: true };
  }
  const files = peak === null ? 1 : Math.max(0, peak - held) / peak;
  if (peak === null || hit || files > MOSTLY_FILE) {
    const why =
      peak === null
        ? 'This kernel keeps no peak.'
        : hit
          ? `The container hit its limit ${counts.limit_hits} times without stalls, because file pages fill any free memory.`
          : `Of its peak of ${formatBytes(peak)}, the container still holds ${formatBytes(held)}; the rest was file pages, or was freed since.`;
    const base = Math.max(held * 1.5, used * MARGIN);
    reasons.push(
      why,
      `The container holds ${formatBytes(held)} that cannot be reclaimed, and uses ${formatBytes(used)} without inactive file pages. With a margin, that makes ${formatBytes(base)}.`,
    );
    if (peak === null || hit || peak <= base) return { wanted: base, cutOff: false };
    // A peak below the limit was a real demand at some time.
    const wanted = Math.min(peak, base * 2);
    reasons.push(`The container once needed more, and may need it again: ${formatBytes(wanted)}.`);
    return { wanted, cutOff: false };
  }
  reasons.push(
    `The peak of the container is ${formatBytes(peak)}, of which it still holds ${formatBytes(held)}. It did not hit a limit.`,
    `The peak plus a quarter is ${formatBytes(peak * MARGIN)}.`,
  );
  return { wanted: peak * MARGIN, cutOff: false };
}

/** Rounds up to a number that a person would choose: in steps of an eighth of its power of two, at least 16 MiB. */
function roundUp(bytes: number): number {
  const step = Math.max(16 * MIB, 2 ** (Math.floor(Math.log2(bytes)) - 3));
  return Math.ceil(bytes / step) * step;
}
