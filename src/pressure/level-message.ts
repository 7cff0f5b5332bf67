import type { PressureLevel } from '../model/pressure.ts';
import { formatNs, formatPercent } from '../text/format.ts';
import { printable } from '../text/printable.ts';

/** Composes the `message` of a `pressure.level` event. */
export function levelMessage(
  event: Pick<
    PressureLevel,
    'subject' | 'level' | 'previous' | 'windows' | 'decided_by_seconds' | 'duration_ns' | 'peak'
  >,
): string {
  const { subject, level, previous, windows, decided_by_seconds, duration_ns, peak } = event;
  const where = subject.scope === 'system' ? 'on the system' : `in cgroup ${printable(subject.path)}`;
  if (level === 'normal') {
    const lasted = formatNs(duration_ns);
    return `Memory pressure ${where} ended after ${lasted}. At its peak it was ${peak.level}, with ${formatPercent(peak.some)} of the time stalled.`;
  }
  const window = windows.find(({ window_seconds }) => window_seconds === decided_by_seconds);
  const all = window?.full == null ? '' : `, all tasks for ${formatPercent(window.full)}`;
  return `Memory pressure ${where} is ${level} (was ${previous}): some task was stalled for ${formatPercent(window?.some ?? 0)} of the last ${formatNs(decided_by_seconds * 1e9)}${all}.`;
}
