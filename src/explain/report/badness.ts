/**
 * oom_badness(), by the figures of a report: whom the kernel would choose, as these stand or as they might.
 *
 * mm/oom_kill.c: RSS, swap and page tables in pages, plus oom_score_adj thousandths of what ran out. From 3.6 on; before that
 * the same in thousandths, and before 2.6.36 it was something else altogether.
 */
import type { ReportTask } from '../../model/oom-report.ts';

/** Since 2.6.36 the minimum means never; init is left out always. */
export const SPARED = -1000;

export interface Domain {
  /** Of what ran out. */
  bytes: number;
  pageBytes: number;
  /** Root's 3 % off, which ended with 4.17 (d46078b28889). */
  rootBonus: boolean;
}

/** In pages. null: never chosen. */
export function badness(task: ReportTask, domain: Domain, adj = task.oom_score_adj): number | null {
  if (task.pid === 1 || adj === SPARED) return null;
  const pages = (bytes: number | null) => Math.floor((bytes ?? 0) / domain.pageBytes);
  let points = pages(task.rss_bytes) + pages(task.swap_bytes) + pages(task.page_tables_bytes);
  if (domain.rootBonus && task.uid === 0) points -= Math.floor((points * 3) / 100);
  return points + adj * Math.floor(pages(domain.bytes) / 1000);
}

/** Whom the kernel would choose: of two alike the later one. */
export function choose(tasks: readonly ReportTask[], domain: Domain, adjOf = (task: ReportTask) => task.oom_score_adj) {
  let chosen: { task: ReportTask; points: number } | undefined;
  for (const task of tasks) {
    const points = badness(task, domain, adjOf(task));
    if (points !== null && (!chosen || points >= chosen.points)) chosen = { task, points };
  }
  return chosen;
}

/** The highest oom_score_adj of `task` with which somebody else would have been chosen; null: there is none, or nobody else. */
export function sparingAdj(
  task: ReportTask,
  tasks: readonly ReportTask[],
  domain: Domain,
): { adj: number; next: ReportTask } | null {
  const next = choose(
    tasks.filter((other) => other !== task),
    domain,
  );
  const step = Math.floor(domain.bytes / domain.pageBytes / 1000);
  const own = badness(task, domain, 0);
  if (!next || own === null || step === 0) return null;
  const adj = Math.min(1000, Math.ceil((next.points - own) / step) - 1);
  return adj <= SPARED ? null : { adj, next: next.task };
}
