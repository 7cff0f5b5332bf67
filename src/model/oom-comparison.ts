/** The event `oom.comparison`: why the kernel chose the victim of a report, and not another process of its task table. */
import type { Envelope } from './envelope.ts';
import type { Spared } from './score.ts';

/** The badness of one process, term by term. All numbers are pages; the terms add up to `points`. */
export interface ReportWeight {
  /** The process id. */
  pid: number;
  /** The name. */
  comm: string;
  /** The real user id. */
  uid: number;
  /** The oom_score_adj, -1000 to 1000. */
  oom_score_adj: number;
  /** Resident pages. */
  rss_pages: number;
  /** Pages in swap. */
  swap_pages: number;
  /** Pages of page tables. */
  page_tables_pages: number;
  /**
   * A thousandth of the memory that ran out, with which `oom_score_adj` is multiplied. null: the report does not have
   * the size, and `oom_score_adj` is 0.
   */
  adj_step_pages: number | null;
  /** `oom_score_adj` × `adj_step_pages`. */
  adj_pages: number;
  /** What kernels before 4.17 subtract for root. 0 or negative. */
  root_pages: number;
  /** What kernels before 5.9 add when the sum is below 1. */
  raised_pages: number;
  /** The badness. null: the kernel never chooses this process. */
  points: number | null;
  /** Why the kernel never chooses this process. null: it may. */
  spared: Spared | null;
}

/**
 * How the two processes compare.
 * - `victim_had_more`, `equal`, `other_had_more`: by their points.
 * - `is_victim`: the process is the victim. `never_chosen`: the kernel never chooses the process.
 * - `not_compared`: the kernel killed the allocating task without a comparison.
 * - `no_victim`, `no_row`: the log does not name a victim, or has no row for it.
 * - `no_table`, `no_process`: the report has no task table, or the table does not have the process.
 * - `unknown_size`: an oom_score_adj counts, and the report lacks the size that it is a share of.
 */
export type ComparisonResult =
  | 'victim_had_more'
  | 'equal'
  | 'other_had_more'
  | 'is_victim'
  | 'never_chosen'
  | 'not_compared'
  | 'no_victim'
  | 'no_row'
  | 'no_table'
  | 'no_process'
  | 'unknown_size';

/** The victim of a report, compared with another process. `message` has the comparison in sentences. */
export interface OomComparison extends Envelope {
  type: 'oom.comparison';
  /** The `id` of the report. */
  report_id: string;
  /** The process to compare with the victim. */
  pid: number;
  /** How the two compare. */
  result: ComparisonResult;
  /** The victim. null: its badness cannot be computed from the report. */
  victim: ReportWeight | null;
  /** The other process. null: its badness cannot be computed from the report. */
  other: ReportWeight | null;
  /** Points of the victim minus points of the other process. null: one of the two is unknown. */
  difference_points: number | null;
  /** What follows from the two, in one sentence. */
  conclusion: string;
}
