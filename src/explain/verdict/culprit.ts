/** Which process held the memory. The kernel kills the largest by its rule; another process may be at fault. */
import { OOM_SCORE_ADJ_MIN } from '../../kernel-facts/oom-badness.ts';
import type { ReportTask } from '../../model/oom-report.ts';
import { formatBytes, formatShare } from '../../text/format.ts';
import { printable } from '../../text/printable.ts';
import type { ReportFacts } from '../report/report-facts.ts';
import { nameOf } from './choice.ts';
import { sizeOf } from './holders.ts';

const bySize = (a: ReportTask, b: ReportTask) => sizeOf(b) - sizeOf(a);

/** @param whole size of what ran out, in bytes; null: not known */
export function culpritOf(report: ReportFacts, row: ReportTask | undefined, whole: number | null): string {
  const { victim, tasks } = report;
  const asked = askedBy(report);
  const largest = tasks.toSorted(bySize)[0];
  if (!victim || !largest) return `The log does not say which process held the memory.${asked}`;
  const share = (task: ReportTask) => (whole ? ` (${formatShare(sizeOf(task) / whole)} of what ran out)` : '');
  const little = littleIn(report, whole);
  if (row && sizeOf(row) >= sizeOf(largest)) {
    return `Victim and largest process are the same: ${nameOf(victim)} held ${formatBytes(sizeOf(row))}${share(row)}. Whether it leaked or was merely the largest, only several reports can tell: compare its size in each.${little}${asked}`;
  }
  return `The victim was not the largest: ${nameOf(largest)} held ${formatBytes(sizeOf(largest))}${share(largest)}${spared(largest, row)}.${little}${asked}`;
}

function littleIn({ tasks, memory }: ReportFacts, whole: number | null): string {
  if (whole === null) return '';
  const sum = tasks.reduce((bytes, task) => bytes + sizeOf(task), 0);
  const used = whole - (memory?.swap_free_bytes ?? 0);
  if (sum >= used / 2) return '';
  return ` All processes together held ${formatBytes(sum)} of ${formatBytes(used)}: most of the memory was not theirs.`;
}

function spared(largest: ReportTask, row: ReportTask | undefined): string {
  if (largest.oom_score_adj === OOM_SCORE_ADJ_MIN || largest.pid === 1) return ', and the kernel may not kill it';
  if (!row || largest.oom_score_adj >= row.oom_score_adj) return '';
  return `, with an oom_score_adj of ${largest.oom_score_adj} against the victim’s ${row.oom_score_adj}`;
}

function askedBy({ trigger, victim, tasks }: ReportFacts): string {
  if (!trigger || !victim || trigger.order === -1 || trigger.tid === null) return '';
  if (trigger.tid === victim.tid || trigger.pid === victim.pid) return '';
  const thread = tasks.length > 0 && !tasks.some(({ tid }) => tid === trigger.tid);
  const name = thread ? `thread ${trigger.tid}, whose process the report does not name` : `pid ${trigger.pid}`;
  return ` ${printable(trigger.comm)} (${name}) only asked for memory when none was left.`;
}
