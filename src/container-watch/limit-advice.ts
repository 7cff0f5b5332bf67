/**
 * A memory limit for a container, from what was observed, with the reasoning. Pure.
 *
 * A peak says little by itself: file pages fill any free memory, and a limit that was hit hides the real demand. So the
 * demand is computed first, from what cannot be reclaimed, from the peak where it means something, and from the time that
 * tasks had to wait; then a margin is added.
 */
import type { ContainerReport } from '../model/container-report.ts';
import { formatBytes, formatSpan } from '../text/format.ts';

export interface LimitAdvice {
  /** The limit to set. */
  limit_bytes: number;
  /** A soft limit: reclaim spares this much at first when the machine is short of memory. No guarantee. */
  reservation_bytes: number;
  /** `raise`, `lower` or `keep` the present limit; `set` one where there is none. */
  change: 'raise' | 'lower' | 'keep' | 'set';
  /** `low`: observed for a short time only, or the limit hid the demand. */
  confidence: 'low' | 'fair';
  /** Sentences, in the order of the argument. */
  reasons: string[];
}

const MIB = 2 ** 20;
/** The kubelet's and the JVM's rules of thumb leave a fifth to a quarter free. */
const MARGIN = 1.25;
/** For a demand that is only known to be above the limit. */
const AFTER_OOM = 1.5;
/** A container whose tasks wait for memory in this share of five minutes needs more, even if only for file pages. */
const STALLED_PERCENT = 5;
/** A peak with a larger share of file pages than this says nothing about the demand. */
const MOSTLY_FILE = 0.25;
/** A limit this many times the demand is worth lowering. */
const GENEROUS = 2;
const SHORT_SECONDS = 3600;

/** @param observedSeconds since the container was started; null: unknown. @returns undefined: it does not run */
export function adviseLimit(
  report: Omit<ContainerReport, 'remarks'>,
  observedSeconds: number | null,
): LimitAdvice | undefined {
  const { memory } = report;
  if (!memory) return undefined;
  const { limit_bytes: limit, unreclaimable_bytes: held, working_set_bytes: used } = memory;
  const reasons: string[] = [];
  const { wanted, cutOff } = demand(memory, reasons);
  let advised = roundUp(Math.max(wanted, used + 16 * MIB));
  if (limit !== null && !cutOff && advised <= limit && limit < advised * GENEROUS) {
    reasons.push(
      `The present limit of ${formatBytes(limit)} is above that, and below ${GENEROUS} times that: keep it.`,
    );
    advised = limit;
  }
  if (limit !== null && advised < limit && (memory.counts.limit_hits ?? 0) > 0) {
    reasons.push(
      `A limit below the present ${formatBytes(limit)} would take file pages from it, which may slow it: keep it.`,
    );
    advised = limit;
  }
  const short = observedSeconds === null || observedSeconds < SHORT_SECONDS;
  if (short) {
    const since =
      observedSeconds === null ? 'Its start time is unknown' : `It has run for only ${formatSpan(observedSeconds)}`;
    reasons.push(`${since}: ask again after its busiest hour.`);
    // A short observation is no reason to lower a limit.
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

type Memory = NonNullable<ContainerReport['memory']>;

/** The demand with its margin, and whether the limit hid a higher one. */
function demand(memory: Memory, reasons: string[]): { wanted: number; cutOff: boolean } {
  const { limit_bytes: limit, peak_bytes: peak, unreclaimable_bytes: held, working_set_bytes: used, counts } = memory;
  const stalled = memory.pressure?.some.avg300 ?? 0;
  if (limit !== null && (counts.oom_kills ?? 0) > 0) {
    const times = counts.oom_kills === 1 ? 'once' : `${counts.oom_kills} times`;
    reasons.push(
      `The OOM killer killed in it ${times} at ${formatBytes(limit)}: the demand is unknown, but higher.`,
      `Try half as much again, ${formatBytes(limit * AFTER_OOM)}; if it leaks, no limit is enough.`,
    );
    return { wanted: limit * AFTER_OOM, cutOff: true };
  }
  const hit = limit !== null && (counts.limit_hits ?? 0) > 0;
  if (hit && stalled >= STALLED_PERCENT) {
    reasons.push(
      `It is at its limit of ${formatBytes(limit)}, and its tasks waited for memory in ${stalled} % of the last five minutes.`,
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
          ? `It hit its limit ${counts.limit_hits} times without stalls: file pages fill any free memory.`
          : `Of its peak of ${formatBytes(peak)} it still holds ${formatBytes(held)}: the rest was file pages, or was freed since.`;
    const base = Math.max(held * 1.5, used * MARGIN);
    reasons.push(
      why,
      `It holds ${formatBytes(held)} that cannot be reclaimed, and uses ${formatBytes(used)}: with a margin, ${formatBytes(base)}.`,
    );
    if (peak === null || hit || peak <= base) return { wanted: base, cutOff: false };
    // A peak below the limit was a real demand once, whatever it was for.
    const wanted = Math.min(peak, base * 2);
    reasons.push(`It needed more once, and may need it again: ${formatBytes(wanted)}.`);
    return { wanted, cutOff: false };
  }
  reasons.push(
    `Its peak is ${formatBytes(peak)}, of which it still holds ${formatBytes(held)}; it did not hit a limit.`,
    `The peak plus a quarter: ${formatBytes(peak * MARGIN)}.`,
  );
  return { wanted: peak * MARGIN, cutOff: false };
}

/** Rounds up to a number that a person would choose: in steps of an eighth of its power of two, at least 16 MiB. */
function roundUp(bytes: number): number {
  const step = Math.max(16 * MIB, 2 ** (Math.floor(Math.log2(bytes)) - 3));
  return Math.ceil(bytes / step) * step;
}
