/**
 * A memory limit for a container, from what was observed, with the reasoning. Pure.
 *
 * A peak says little by itself: file pages fill whatever there is, and a limit that was hit hides how much was wanted. So
 * the demand is worked out first, from what cannot be reclaimed, from the peak where it means something, and from
 * whether tasks had to wait; then there is a margin on top.
 */
import type { ContainerReport } from '../model/container-report.ts';
import { formatBytes, formatSpan } from '../text/format.ts';

export interface LimitAdvice {
  /** What to set. */
  limit_bytes: number;
  /** A soft limit: what reclaim leaves it with first when the machine is short. No guarantee. */
  reservation_bytes: number;
  /** `raise`, `lower` or `keep` the limit there is; `set` one where there is none. */
  change: 'raise' | 'lower' | 'keep' | 'set';
  /** `low`: not observed for long, or the demand was cut off by the limit. */
  confidence: 'low' | 'fair';
  /** Sentences, in the order of the argument. */
  reasons: string[];
}

const MIB = 2 ** 20;
/** The kubelet's and the JVM's rules of thumb leave a fifth to a quarter free. */
const MARGIN = 1.25;
/** When the demand is known only to be higher than the limit. */
const AFTER_OOM = 1.5;
/** A container that waits for memory so much of five minutes needs more, be it for file pages. */
const STALLED_PERCENT = 5;
/** More of a peak than this is file pages: it says nothing of the demand. */
const MOSTLY_FILE = 0.25;
/** A limit this much too high is worth lowering. */
const GENEROUS = 2;
const SHORT_SECONDS = 3600;

/** undefined: nothing was observed, for it does not run. @param observedSeconds since it was started; null: not known */
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
      `The present limit of ${formatBytes(limit)} is above that and less than ${GENEROUS} times as much: keep it.`,
    );
    advised = limit;
  }
  if (limit !== null && advised < limit && (memory.counts.limit_hits ?? 0) > 0) {
    reasons.push(
      `Less than the present limit of ${formatBytes(limit)} would take file pages from it, which may slow it: keep it.`,
    );
    advised = limit;
  }
  const short = observedSeconds === null || observedSeconds < SHORT_SECONDS;
  if (short) {
    const since =
      observedSeconds === null
        ? 'It is not known since when it runs'
        : `It has run for ${formatSpan(observedSeconds)} only`;
    reasons.push(`${since}: ask again after its busiest hour.`);
    // What was seen in so little time is no reason to take something away.
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

/** What the container wants, margin included, and whether its limit kept it from showing more. */
function demand(memory: Memory, reasons: string[]): { wanted: number; cutOff: boolean } {
  const { limit_bytes: limit, peak_bytes: peak, unreclaimable_bytes: held, working_set_bytes: used, counts } = memory;
  const stalled = memory.pressure?.some.avg300 ?? 0;
  if (limit !== null && (counts.oom_kills ?? 0) > 0) {
    const times = counts.oom_kills === 1 ? 'once' : `${counts.oom_kills} times`;
    reasons.push(
      `The OOM killer struck ${times} at ${formatBytes(limit)}: how much was wanted is not known, only that it was more.`,
      `Half as much again, ${formatBytes(limit * AFTER_OOM)}, to find out; if it leaks, no limit is enough.`,
    );
    return { wanted: limit * AFTER_OOM, cutOff: true };
  }
  const hit = limit !== null && (counts.limit_hits ?? 0) > 0;
  if (hit && stalled >= STALLED_PERCENT) {
    reasons.push(
      `It is at its limit of ${formatBytes(limit)} and its tasks waited for memory ${stalled} % of the last five minutes.`,
      `A quarter more, ${formatBytes(limit * MARGIN)}.`,
    );
    return { wanted: limit * MARGIN, cutOff: true };
  }
  const files = peak === null ? 1 : Math.max(0, peak - held) / peak;
  if (peak === null || hit || files > MOSTLY_FILE) {
    const why =
      peak === null
        ? 'This kernel keeps no peak.'
        : hit
          ? `It met its limit ${counts.limit_hits} times and did not suffer: file pages fill what there is.`
          : `Of its peak of ${formatBytes(peak)} it still holds ${formatBytes(held)}: the rest was file pages, or is long past.`;
    const base = Math.max(held * 1.5, used * MARGIN);
    reasons.push(
      why,
      `It holds ${formatBytes(held)} that cannot be reclaimed, and uses ${formatBytes(used)}: with room, ${formatBytes(base)}.`,
    );
    if (peak === null || hit || peak <= base) return { wanted: base, cutOff: false };
    // A peak that nothing cut off was wanted once, whatever it was for.
    const wanted = Math.min(peak, base * 2);
    reasons.push(`It had more once, and may again: ${formatBytes(wanted)}.`);
    return { wanted, cutOff: false };
  }
  reasons.push(
    `Its peak is ${formatBytes(peak)}, of which it still holds ${formatBytes(held)}; no limit cut it off.`,
    `The peak and a quarter: ${formatBytes(peak * MARGIN)}.`,
  );
  return { wanted: peak * MARGIN, cutOff: false };
}

/** To a number that people would choose: steps of an eighth of its power of two, and of 16 MiB at least. */
function roundUp(bytes: number): number {
  const step = Math.max(16 * MIB, 2 ** (Math.floor(Math.log2(bytes)) - 3));
  return Math.ceil(bytes / step) * step;
}
