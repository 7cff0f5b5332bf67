/** Says which process the kernel chose, and with which figures. */
import type { BadnessDomain } from '../../kernel-facts/oom-badness.ts';
import type { ReportTask } from '../../model/oom-report.ts';
import { formatBytes } from '../../text/format.ts';
import { printable } from '../../text/printable.ts';
import { badness } from '../report/badness.ts';
import type { ReportFacts } from '../report/report-facts.ts';

export const nameOf = ({ comm, pid }: { comm: string; pid: number }) => `${printable(comm)} (pid ${pid})`;

/** True when the kernel killed the allocating task without comparing processes (vm.oom_kill_allocating_task). */
export const wasAsker = ({ victim }: ReportFacts) => /oom_kill_allocating_task/.test(victim?.reason ?? '');

/**
 * True when the kernel killed a task that runs swapoff, or ends KSM's sharing of pages. Since 2.6.39 it kills such a
 * task before any other, whatever its oom_score_adj is (include/linux/oom.h: set_current_oom_origin, oom_task_origin).
 */
export function wasOrigin({ victim, trigger }: ReportFacts): boolean {
  if (!victim || (trigger?.tid ?? null) === null) return false;
  if (trigger?.tid !== victim.tid && trigger?.pid !== victim.pid) return false;
  return trigger.stack.some((name) => /^(?:try_to_unuse|unmerge_and_remove_all_rmap_items)\b/.test(name));
}

/** @param ours the process with the highest badness by the figures of the report */
export function choiceOf(
  report: ReportFacts,
  row: ReportTask | undefined,
  domain: BadnessDomain | null,
  known: boolean,
  ours: ReportTask | undefined,
): string {
  const { victim, group, outcome } = report;
  if (!victim) {
    if (outcome === 'killed') return 'The log does not name the process that was killed.';
    return outcome === 'unknown' ? 'The log does not say which process the kernel chose.' : 'No process was chosen.';
  }
  if (wasAsker(report)) {
    return `${nameOf(victim)} was killed because it was the allocating task (vm.oom_kill_allocating_task); the kernel did not compare processes.`;
  }
  if (wasOrigin(report)) {
    const what = report.trigger?.stack.some((name) => name.startsWith('try_to_unuse'))
      ? 'was running swapoff'
      : 'was ending the sharing of pages by KSM';
    return `${nameOf(victim)} was killed because it ${what}: the kernel kills such a process first, whatever its size and its oom_score_adj.`;
  }
  if (victim.chosen) return inItsPlace(report, victim, victim.chosen);
  const along = group.length > 0 ? ` The kernel killed ${group.length} more with it, by memory.oom.group.` : '';
  const inferred = victim.inferred ? ' Its kill line is not in the log: another line names it.' : '';
  const score = victim.score === null ? '' : ` The kernel gave it a score of ${victim.score}.`;
  if (!row) {
    const held = heldBy(victim);
    const sizes = held === null ? '' : `, and held ${held} when it was killed`;
    return `${nameOf(victim)} was chosen${sizes}; the log has no task table with this process, so its badness is unknown.${score}${along}${inferred}`;
  }
  if (!domain) {
    return `${nameOf(victim)} was chosen; its badness is unknown, because the report lacks the limit or the size of the machine’s memory, or the kernel is too old.${score}${along}${inferred}`;
  }
  return `${chosenFor(row, report, domain, known, ours)}${score}${along}${inferred}`;
}

/** What the kill line says that the victim held; null: nothing. The line may be cut after any of its figures. */
export function heldBy({ memory }: Victim): string | null {
  if (memory.rss_bytes !== null) return `${formatBytes(memory.rss_bytes)} resident`;
  return memory.anon_rss_bytes === null ? null : `${formatBytes(memory.anon_rss_bytes)} of anonymous memory`;
}

function chosenFor(
  row: ReportTask,
  report: ReportFacts,
  domain: BadnessDomain,
  known: boolean,
  ours: ReportTask | undefined,
): string {
  const parts = `${formatBytes(row.rss_bytes)} resident, ${formatBytes(row.swap_bytes ?? 0)} in swap, ${formatBytes(row.page_tables_bytes ?? 0)} of page tables`;
  const shift = row.oom_score_adj === 0 ? '' : `, and an oom_score_adj of ${row.oom_score_adj}`;
  const points = badness(row, domain);
  const figure = points !== null && (known || row.oom_score_adj === 0) ? `: ${points} points` : '';
  const lead = `${nameOf(report.victim ?? row)} was chosen for ${parts}${shift}${figure}`;
  if (ours === row) {
    const candidates = report.tasks.filter((task) => badness(task, domain) !== null).length;
    return candidates === 1
      ? `${lead}; no other process could be killed.`
      : `${lead}, the most of ${candidates} candidates.`;
  }
  if (!ours || !known) return `${lead}.`;
  return `${lead}. By these figures ${nameOf(ours)} comes first; that process may have been exiting already.`;
}

/** Before 5.1 the kernel could kill a child, with its own memory, instead of the process that it chose. */
function inItsPlace({ group }: ReportFacts, victim: Victim, chosen: { pid: number; comm: string }): string {
  const score = victim.score === null ? '' : `, with a score of ${victim.score}`;
  const along = group.length > 0 ? ` The kernel killed ${group.length} more with it.` : '';
  return `${nameOf(chosen)} was chosen${score}; the kernel killed its child ${nameOf(victim)} in its place.${along}`;
}

type Victim = NonNullable<ReportFacts['victim']>;
