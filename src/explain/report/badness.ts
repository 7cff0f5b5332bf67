/**
 * Computes which process the kernel would choose by the figures of a report, and with which oom_score_adj another one.
 */
import { type BadnessDomain, OOM_SCORE_ADJ_MIN, oomBadness } from '../../kernel-facts/oom-badness.ts';
import type { ReportTask } from '../../model/oom-report.ts';

/** The value of oom_badness() for a task, in pages. null: the kernel never chooses the task. */
export function badness(task: ReportTask, domain: BadnessDomain, adj = task.oom_score_adj): number | null {
  const { pid, uid, rss_bytes: rssBytes, swap_bytes, page_tables_bytes } = task;
  const held = { rssBytes, swapBytes: swap_bytes ?? 0, pageTablesBytes: page_tables_bytes ?? 0 };
  return oomBadness({ pid, uid, oomScoreAdj: adj, ...held }, domain);
}

/** The task with the highest badness. Tasks are in the order of the kernel's list, which decides among equal values. */
export function choose(
  tasks: readonly ReportTask[],
  domain: BadnessDomain,
  adjOf = (task: ReportTask) => task.oom_score_adj,
) {
  let chosen: { task: ReportTask; points: number } | undefined;
  for (const task of tasks) {
    const points = badness(task, domain, adjOf(task));
    if (points === null) continue;
    const replaces = !chosen || points > chosen.points || (points === chosen.points && domain.rules.laterOfEquals);
    if (replaces) chosen = { task, points };
  }
  return chosen;
}

/**
 * The highest oom_score_adj of `task` with which the kernel would have chosen another task. null: there is no such
 * value, or no other task can be killed.
 */
export function sparingAdj(
  task: ReportTask,
  tasks: readonly ReportTask[],
  domain: BadnessDomain,
): { adj: number; next: ReportTask } | null {
  const next = choose(
    tasks.filter((other) => other !== task),
    domain,
  );
  const step = Math.floor(domain.bytes / domain.pageBytes / 1000);
  const own = badness(task, domain, 0);
  if (!next || own === null || step === 0) return null;
  const adj = Math.min(1000, Math.ceil((next.points - own) / step) - 1);
  // On kernels whose badness is at least 1, no value can put a task below another task with badness 1.
  if (adj <= OOM_SCORE_ADJ_MIN || (badness(task, domain, adj) ?? 0) >= next.points) return null;
  return { adj, next: next.task };
}
