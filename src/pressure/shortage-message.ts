import type { Envelope } from '../model/envelope.ts';
import type { MemoryShortage } from '../model/shortage.ts';
import { formatBytes, formatNs, formatPercent, formatRate, formatSpan } from '../text/format.ts';
import { printable } from '../text/printable.ts';

/** Composes the `message` of a `memory.shortage` event. */
export function shortageMessage(event: Facts): string {
  const { subject, level, previous, peak, duration_ns, cause } = event;
  const where = subject.scope === 'system' ? 'the system' : `cgroup ${printable(subject.path)}`;
  if (level === 'normal') {
    return `Memory in ${where} is no longer short, after ${formatNs(duration_ns)}. The highest level was ${peak}.`;
  }
  const why = cause === 'limit' ? ofLimit(event) : ofStalls(event);
  return `Memory in ${where} is short: ${level}, was ${previous}. ${why}`;
}

type Facts = Omit<MemoryShortage, keyof Envelope | 'type'>;

function ofLimit({ growth, limit_bytes, unreclaimable_bytes, swap_left_bytes }: Facts): string {
  const swap = swap_left_bytes > 0 ? `, and ${formatBytes(swap_left_bytes)} of swap are left` : '';
  const when = formatSpan(growth?.exhausted_in_seconds ?? 0);
  return `Its limit of ${formatBytes(limit_bytes)} will be reached in about ${when}: ${formatBytes(unreclaimable_bytes)} cannot be reclaimed and grow by ${formatRate(growth?.bytes_per_second ?? 0)}${swap}.`;
}

function ofStalls(facts: Facts): string {
  const { window_seconds, some, full, unreclaimable_bytes, limit_bytes, refaults_bytes_per_second } = facts;
  const all = full === null ? '' : `, all tasks for ${formatPercent(full)}`;
  const stalls = `In the last ${formatSpan(window_seconds)} some task waited for memory for ${formatPercent(some ?? 0)} of the time${all}.`;
  const share = unreclaimable_bytes / Math.max(1, limit_bytes);
  const held = `${formatPercent(share)} of ${formatBytes(limit_bytes)} cannot be reclaimed`;
  const refaults = refaults_bytes_per_second ?? 0;
  if (refaults < 2 ** 20) return `${stalls} ${held}.`;
  return `${stalls} ${held}, and ${formatRate(refaults).replace('+', '')} of evicted memory are read again.`;
}
