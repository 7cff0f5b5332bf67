/** Says which process held the memory. The victim has the highest badness, but another process may be the largest. */
import { OOM_SCORE_ADJ_MIN } from '../../kernel-facts/oom-badness.ts';
import type { ReportTask } from '../../model/oom-report.ts';
import { formatBytes, formatShare } from '../../text/format.ts';
import { printable } from '../../text/printable.ts';
import type { ReportFacts } from '../report/report-facts.ts';
import { isPageFault } from './cause.ts';
import { heldBy, nameOf } from './choice.ts';
import { isSysrq, total } from './factors.ts';
import { type Swarm, shareOf, sizeOf, swarmsOf } from './holders.ts';

const bySize = (a: ReportTask, b: ReportTask) => sizeOf(b) - sizeOf(a);

/** @param whole size of the memory that ran out, in bytes; null: unknown */
export function culpritOf(report: ReportFacts, row: ReportTask | undefined, whole: number | null): string {
  const { tasks } = report;
  const largest = tasks.toSorted(bySize)[0];
  const [swarm] = swarmsOf(tasks);
  const asked = isSysrq(report) || isPageFault(report) ? '' : askedBy(report, largest);
  if (!largest) return `${withoutTable(report)}${asked}`;
  const little = littleIn(report, whole);
  const lead = swarm ? ofSwarm(swarm, tasks, whole) : ofLargest(report, row, largest, whole);
  return `${lead}${little}${asked}`;
}

function withoutTable({ victim }: ReportFacts): string {
  const held = victim && heldBy(victim);
  if (!victim || held === null) return 'The log does not say which process held the memory.';
  return `The log shows only the victim’s memory, ${held}; it does not say what other processes held.`;
}

const partOf = (bytes: number, whole: number | null) => {
  const share = shareOf(bytes, whole);
  return share === null ? '' : ` (${formatShare(share)} of the memory that ran out)`;
};

function ofSwarm({ name, processes, bytes }: Swarm, tasks: readonly ReportTask[], whole: number | null): string {
  const shared = whole !== null && bytes > whole ? ', with shared pages counted once for each process' : '';
  const most = tasks.filter(({ comm }) => comm === name).toSorted(bySize)[0];
  const largest = most ? `; the largest of them held ${formatBytes(sizeOf(most))}` : '';
  return `${processes} processes named ${printable(name)} held ${formatBytes(bytes)} together${partOf(bytes, whole)}${shared}${largest}.`;
}

function ofLargest(
  { victim }: ReportFacts,
  row: ReportTask | undefined,
  largest: ReportTask,
  whole: number | null,
): string {
  const held = `${nameOf(largest)} held ${formatBytes(sizeOf(largest))}${partOf(sizeOf(largest), whole)}`;
  if (!victim) return `The largest process was ${held.replace(' held ', ', which held ')}.`;
  if (row && sizeOf(row) >= sizeOf(largest)) {
    const own = `${nameOf(victim)} held ${formatBytes(sizeOf(row))}${partOf(sizeOf(row), whole)}`;
    return `The victim is also the largest process: ${own}. One report cannot show whether it leaked or is always that large: compare its size in several reports.`;
  }
  if (row) return `The victim was not the largest: ${held}${spared(largest, row)}.`;
  return `The task table has no row for the victim; the largest in it was ${held.replace(' held ', ', which held ')}.`;
}

/**
 * A sentence when processes held less than half of the used memory. Not for SysRq-f, which kills while memory is free.
 */
function littleIn(report: ReportFacts, whole: number | null): string {
  const { tasks, memory } = report;
  if (whole === null || isSysrq(report)) return '';
  const sum = tasks.reduce((bytes, task) => bytes + sizeOf(task), 0);
  const used = whole - (memory?.swap_free_bytes ?? 0) - (memory ? total(memory, 'free') : 0);
  if (sum >= used / 2) return '';
  return ` All processes in the table together held ${formatBytes(sum)} of ${formatBytes(used)}: most of the memory was not theirs.`;
}

function spared(largest: ReportTask, row: ReportTask): string {
  if (largest.oom_score_adj === OOM_SCORE_ADJ_MIN || largest.pid === 1) return ', and the kernel may not kill it';
  if (largest.oom_score_adj >= row.oom_score_adj) return '';
  return `, with an oom_score_adj of ${largest.oom_score_adj} against the victim’s ${row.oom_score_adj}`;
}

/** A sentence about the allocating task, unless it is the victim or the largest process. */
function askedBy({ trigger, victim, tasks }: ReportFacts, largest: ReportTask | undefined): string {
  if (!trigger || !victim || trigger.tid === null) return '';
  if (trigger.tid === victim.tid || trigger.pid === victim.pid || trigger.comm === victim.comm) return '';
  if (largest && (trigger.pid === largest.pid || trigger.comm === largest.comm)) return '';
  const thread = tasks.length > 0 && !tasks.some(({ tid }) => tid === trigger.tid);
  const name = thread ? `thread ${trigger.tid}, whose process the report does not name` : `pid ${trigger.pid}`;
  return ` ${printable(trigger.comm)} (${name}) only made the request that failed.`;
}
