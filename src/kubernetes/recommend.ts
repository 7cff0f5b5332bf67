/**
 * Advises request and limit of a container from what the kernel has counted, and says why. Pure functions.
 *
 * A kill is told apart by the cgroup whose limit was hit: to raise the limit of a container helps nothing if that of its pod
 * was hit, and no limit helps against a leak.
 */
import { formatBytes, formatRate, formatSpan } from '../text/format.ts';

/** What is known of a container. Sizes in bytes. */
export interface Observed {
  /** Memory that cannot be reclaimed, and usage without pages of files that were not used lately; now. */
  heldBytes: number;
  workingSetBytes: number;
  /** The highest usage, all pages of files included. null: unknown. */
  peakBytes: number | null;
  /** The highest working set, if something has sampled it. null: unknown. */
  peakWorkingSetBytes: number | null;
  requestBytes: number | null;
  limitBytes: number | null;
  /** The limit of the pod, if the pod has one of its own. */
  podLimitBytes: number | null;
  /**
   * How often usage was at the container's limit (memory.events, max), and OOM kills at it and at the pod's limit. If the pod has a limit
   * but none of its own, its limit is the sum of those of its containers.
   */
  limitHits: number;
  kills: number;
  podKills: number;
  /** OOM kills in the container at neither of these limits, such as by an OOM of the whole node. */
  otherKills: number;
  /** Percent of the last five minutes in which some task waited for memory. null: unknown. */
  stalledPercent: number | null;
  /** Growth of heldBytes, and over which time it was measured. null: not measured. */
  growth: { bytesPerSecond: number; seconds: number } | null;
  /** Time since the container was started. null: unknown. */
  ageSeconds: number | null;
  /** The size to which a program in it may grow its heap by its own settings. null: unknown, or it follows the limit. */
  heapBytes: number | null;
}

export interface MemoryAdvice {
  /** What to change: a limit of the container or of the pod, nothing, or the program, because it leaks. */
  scope: 'container' | 'pod' | 'none' | 'leak';
  /** The advised values; null: none. `pod_limit_bytes` is null unless the pod has a limit of its own. */
  request_bytes: number;
  limit_bytes: number | null;
  pod_limit_bytes: number | null;
  confidence: 'low' | 'fair';
  /** Sentences, in logical order. */
  reasons: string[];
}

const MIB = 2 ** 20;
/** Room above the demand: a quarter, as the rules of thumb of the kubelet and of JVMs leave, and some pages. */
const MARGIN = 1.25;
const ROOM = 16 * MIB;
/** The factor for a limit that was too low: the demand is above it, but unknown. */
const RAISE = 1.5;
/** From this share of time on (percent), tasks wait too much; from the second on, much is missing. */
const STALLED = 5;
const STALLED_MUCH = 20;
/** A limit is lowered only if it is this many times the demand, and only after a day. */
const GENEROUS = 2;
const DAY_SECONDS = 86_400;
/** Growth is a leak if it was measured for this long, and would fill the limit within this time. */
const LEAK_SECONDS = 600;
const LEAK_HORIZON_SECONDS = 30 * DAY_SECONDS;

export function adviseMemory(seen: Observed): MemoryAdvice {
  const reasons: string[] = [];
  const leak = leakOf(seen, reasons);
  const request = roundUp(Math.max(seen.workingSetBytes * 1.1, 1));
  const pod = seen.podLimitBytes;
  if (leak) {
    return {
      scope: 'leak',
      request_bytes: request,
      limit_bytes: seen.limitBytes,
      pod_limit_bytes: pod,
      confidence: 'fair',
      reasons,
    };
  }
  if (seen.podKills > 0 && pod !== null) {
    const raised = roundUp(pod * RAISE);
    reasons.push(
      `The limit of the pod, ${formatBytes(pod)}, was hit: ${times(seen.podKills)}. To raise the limit of the container would change nothing.`,
      `The demand is above the limit, but unknown: try ${formatBytes(raised)} for the pod, and look again.`,
    );
    return {
      scope: 'pod',
      request_bytes: request,
      limit_bytes: seen.limitBytes,
      pod_limit_bytes: raised,
      confidence: 'low',
      reasons,
    };
  }
  const { limitBytes, cutOff } = limitFor(seen, reasons);
  const isShort = seen.ageSeconds === null || seen.ageSeconds < DAY_SECONDS;
  if (isShort) {
    const age = seen.ageSeconds === null ? 'for an unknown time' : `for ${formatSpan(seen.ageSeconds)}`;
    reasons.push(`It has run ${age}: its busiest hour may be still to come.`);
  }
  return {
    scope: limitBytes === seen.limitBytes ? 'none' : 'container',
    // A request is not lowered by what is not certain.
    request_bytes: Math.min(isShort || cutOff ? Math.max(request, seen.requestBytes ?? 0) : request, limitBytes),
    ...{ limit_bytes: limitBytes, pod_limit_bytes: pod === null ? null : Math.max(pod, limitBytes) },
    confidence: isShort || cutOff ? 'low' : 'fair',
    reasons,
  };
}

function leakOf({ growth, limitBytes, heldBytes }: Observed, reasons: string[]): boolean {
  if (growth === null || growth.seconds < LEAK_SECONDS || growth.bytesPerSecond <= 0) return false;
  const room = (limitBytes ?? heldBytes * 4) - heldBytes;
  const leftSeconds = room / growth.bytesPerSecond;
  const grown = growth.bytesPerSecond * growth.seconds;
  if (leftSeconds > LEAK_HORIZON_SECONDS || grown < heldBytes * 0.02) return false;
  reasons.push(
    `Memory that cannot be reclaimed grew by ${formatRate(growth.bytesPerSecond)} for ${formatSpan(growth.seconds)}, and will reach the limit in ${formatSpan(Math.max(0, leftSeconds))}.`,
    'No limit is enough for a leak: a higher one only makes the time between two kills longer. Find what grows.',
  );
  return true;
}

function limitFor(seen: Observed, reasons: string[]): { limitBytes: number; cutOff: boolean } {
  const { limitBytes: limit, stalledPercent: stalled } = seen;
  if (limit !== null && seen.kills + seen.podKills > 0) {
    const raised = roundUp(Math.max(limit * RAISE, limit + 2 * ROOM));
    if (seen.kills > 0)
      reasons.push(`The limit of the container, ${formatBytes(limit)}, was hit: ${times(seen.kills)}.`);
    if (seen.podKills > 0)
      reasons.push(
        `The limit of the pod was hit: ${times(seen.podKills)}. It is the sum of the limits of its containers, so a higher limit of this container, which has ${formatBytes(limit)}, raises it.`,
      );
    reasons.push(`The demand is above the limit, but unknown: try ${formatBytes(raised)}, and look again.`);
    return { limitBytes: raised, cutOff: true };
  }
  if (limit !== null && seen.otherKills > 0) {
    reasons.push(
      `It was killed, but not at its limit of ${formatBytes(limit)}: ${times(seen.otherKills)}. A cgroup above it or the whole node was out of memory, and the limit is not raised for that.`,
    );
  }
  if (limit !== null && seen.limitHits > 0 && stalled !== null && stalled >= STALLED) {
    const raised = roundUp(limit * (stalled >= STALLED_MUCH ? RAISE : MARGIN));
    reasons.push(
      `The container is at its limit of ${formatBytes(limit)}, and in ${stalled} % of the last five minutes a task waited for memory: files that it needs do not fit.`,
      `Try ${formatBytes(raised)}.`,
    );
    return { limitBytes: raised, cutOff: true };
  }
  const demand = demandOf(seen, reasons);
  const advised = roundUp(demand * MARGIN + ROOM);
  if (limit === null) {
    reasons.push(`There is no limit: with one of ${formatBytes(advised)}, a leak ends this container and not others.`);
    return { limitBytes: advised, cutOff: false };
  }
  const isOld = (seen.ageSeconds ?? 0) >= DAY_SECONDS;
  if (demand + ROOM / 4 > limit) return { limitBytes: advised, cutOff: false };
  if (limit <= demand * GENEROUS + ROOM || !isOld || advised >= limit) {
    reasons.push(`The limit of ${formatBytes(limit)} fits.`);
    return { limitBytes: limit, cutOff: false };
  }
  if (seen.heapBytes !== null && advised < seen.heapBytes) {
    reasons.push(
      `The limit of ${formatBytes(limit)} is more than twice that, but a program may grow its heap to ${formatBytes(seen.heapBytes)}: keep the limit.`,
    );
    return { limitBytes: limit, cutOff: false };
  }
  reasons.push(`The limit of ${formatBytes(limit)} is more than twice that: ${formatBytes(advised)} is enough.`);
  return { limitBytes: advised, cutOff: false };
}

/** The demand as far as it is known: the highest working set, or the peak if it was not pages of files. */
function demandOf(
  { peakWorkingSetBytes, peakBytes, workingSetBytes, heldBytes, limitHits }: Observed,
  reasons: string[],
): number {
  if (peakWorkingSetBytes !== null) {
    const demand = Math.max(peakWorkingSetBytes, heldBytes);
    const files =
      limitHits > 0
        ? ' It was at its limit, but no task waited: pages of files that are read once fill any memory.'
        : '';
    reasons.push(`It needed ${formatBytes(demand)} at most.${files}`);
    return demand;
  }
  if (peakBytes !== null && limitHits === 0 && peakBytes <= heldBytes * 2) {
    reasons.push(`Its usage was ${formatBytes(peakBytes)} at most, of which it still holds ${formatBytes(heldBytes)}.`);
    return peakBytes;
  }
  const demand = Math.max(workingSetBytes, heldBytes * 1.5);
  reasons.push(
    `It uses ${formatBytes(workingSetBytes)} and holds ${formatBytes(heldBytes)} of it. Its peak${peakBytes === null ? ' is unknown' : ` of ${formatBytes(peakBytes)} may have been pages of files`}, so half is added: ${formatBytes(Math.round(demand))}.`,
  );
  return demand;
}

const times = (kills: number) => (kills === 1 ? '1 OOM kill' : `${kills} OOM kills`);

/** To whole MiB up to 1 GiB, then to 16 MiB. */
function roundUp(bytes: number): number {
  const unit = bytes > 1024 * MIB ? 16 * MIB : MIB;
  return Math.max(unit, Math.ceil(bytes / unit) * unit);
}
