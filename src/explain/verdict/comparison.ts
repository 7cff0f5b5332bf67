/** Compares the victim of a report with another process: oom_badness() of both, term by term. */
import { type BadnessDomain, badnessRules, OOM_SCORE_ADJ_MIN, sparedBy } from '../../kernel-facts/oom-badness.ts';
import { type KernelVersion, parseKernelVersion } from '../../kernel-facts/version.ts';
import type { ComparisonResult, OomComparison, ReportWeight } from '../../model/oom-comparison.ts';
import type { OomReport, ReportTask } from '../../model/oom-report.ts';
import { printable } from '../../text/printable.ts';
import { badness } from '../report/badness.ts';

/** The rules of this version are used when the report does not name its kernel. */
const CURRENT: KernelVersion = [7, 0];

/** Why the kernel did not choose `pid` instead of the victim. `pid` may be the id of the thread in the task table. */
export function compare(report: OomReport, pid: number): OomComparison {
  const { tasks, victim } = report;
  const row = tasks.find((task) => task.pid === pid) ?? tasks.find((task) => task.tid === pid);
  const own = victim ? tasks.find(({ tid }) => tid === victim.tid) : undefined;
  const weights = { victim: own ? weigh(own, report) : null, other: row ? weigh(row, report) : null };
  const result = resultOf(report, row, own, weights);
  const points = [weights.victim?.points ?? null, weights.other?.points ?? null] as const;
  const difference = points[0] === null || points[1] === null ? null : points[0] - points[1];
  const conclusion = conclusions[result]({ pid, row, difference });
  const { schema, id, time, mono_ns, boot_id, node, source } = report;
  return {
    schema,
    id: `${id}-vs-${pid}`,
    seq: report.seq,
    time,
    mono_ns,
    boot_id,
    node,
    severity: 'info',
    source,
    message: [...sumsIn(result, weights), conclusion].join(' '),
    type: 'oom.comparison',
    report_id: id,
    pid,
    result,
    ...weights,
    difference_points: difference,
    conclusion,
  };
}

/** The comparison in sentences without control characters: the sum of each process, and the conclusion. */
export function sentencesOf({ result, victim, other, conclusion }: OomComparison): string[] {
  return [...sumsIn(result, { victim, other }), conclusion];
}

function sumsIn(result: ComparisonResult, { victim, other }: Weights): string[] {
  if (result === 'is_victim') return other ? [sentence(other)] : [];
  if (!other) return [];
  return victim ? [sentence(victim), sentence(other)] : [sentence(other)];
}

interface Weights {
  victim: ReportWeight | null;
  other: ReportWeight | null;
}

function resultOf(
  { tasks, victim }: OomReport,
  row: ReportTask | undefined,
  own: ReportTask | undefined,
  { victim: first, other: second }: Weights,
): ComparisonResult {
  if (tasks.length === 0) return 'no_table';
  if (!row) return 'no_process';
  if (!victim) return 'no_victim';
  if (!own) return 'no_row';
  if (own === row) return 'is_victim';
  if (/oom_kill_allocating_task/.test(victim.reason ?? '')) return 'not_compared';
  if (second?.spared) return 'never_chosen';
  if (!first || !second || first.points === null || second.points === null) return 'unknown_size';
  if (first.points === second.points) return 'equal';
  return first.points > second.points ? 'victim_had_more' : 'other_had_more';
}

interface Found {
  pid: number;
  row: ReportTask | undefined;
  difference: number | null;
}

const conclusions: Record<ComparisonResult, (found: Found) => string> = {
  no_table: () => 'The report has no task table, so no process can be compared with the victim.',
  no_process: ({ pid }) => `The task table of the report has no process ${pid}.`,
  no_victim: () => 'The log does not name a victim, so there is no comparison.',
  no_row: () => 'The task table has no row for the victim, so there is no comparison.',
  is_victim: ({ row }) => `${nameOf(row)} is the victim.`,
  not_compared: () => 'The kernel did not compare them: it killed the allocating task (vm.oom_kill_allocating_task).',
  never_chosen: ({ row }) => `So the kernel could not choose ${nameOf(row)}.`,
  unknown_size: () =>
    'The report lacks the limit or the size of the memory that ran out, which oom_score_adj is multiplied with.',
  equal: () => 'Both had the same points, so their order in the kernel’s list of processes decided.',
  victim_had_more: ({ difference }) => `The victim had ${difference} points more, so the kernel chose it.`,
  other_had_more: ({ row, difference }) =>
    `By these figures ${nameOf(row)} had ${-(difference ?? 0)} points more; that process may have been exiting already.`,
};

const nameOf = (task: ReportTask | undefined) => (task ? `${printable(task.comm)} (pid ${task.pid})` : 'the process');

/** null: the size that oom_score_adj is a share of is unknown, and it counts. */
function weigh(task: ReportTask, { domain_bytes, page_bytes, kernel }: OomReport): ReportWeight | null {
  const rules = badnessRules((kernel === null ? undefined : parseKernelVersion(kernel)) ?? CURRENT);
  const spared = sparedBy({ ...held(task), pid: task.pid, uid: task.uid, oomScoreAdj: task.oom_score_adj });
  const counts = task.oom_score_adj !== 0 || (rules.rootBonus === 'of_domain' && task.uid === 0);
  if (domain_bytes === null && counts && spared === null) return null;
  const domain: BadnessDomain = { bytes: domain_bytes ?? 0, pageBytes: page_bytes, rules };
  const pages = (bytes: number) => Math.floor(bytes / page_bytes);
  const { rssBytes, swapBytes, pageTablesBytes } = held(task);
  const usage = pages(rssBytes) + pages(swapBytes) + pages(pageTablesBytes);
  const step = domain_bytes === null ? null : Math.floor(pages(domain_bytes) / 1000);
  const adj = spared === null ? task.oom_score_adj * (step ?? 0) : 0;
  const root = task.uid !== 0 ? 0 : rootPages(rules.rootBonus, usage, step ?? 0);
  const points = badness(task, domain);
  return {
    pid: task.pid,
    comm: task.comm,
    uid: task.uid,
    oom_score_adj: task.oom_score_adj,
    rss_pages: pages(rssBytes),
    swap_pages: pages(swapBytes),
    page_tables_pages: pages(pageTablesBytes),
    adj_step_pages: step,
    adj_pages: adj,
    root_pages: root,
    raised_pages: points === null ? 0 : points - (usage + adj + root),
    points,
    spared,
  };
}

const held = ({ rss_bytes, swap_bytes, page_tables_bytes }: ReportTask) => ({
  rssBytes: rss_bytes,
  swapBytes: swap_bytes ?? 0,
  pageTablesBytes: page_tables_bytes ?? 0,
});

function rootPages(bonus: ReturnType<typeof badnessRules>['rootBonus'], usage: number, step: number): number {
  if (bonus === 'of_usage') return -Math.floor((usage * 3) / 100);
  return bonus === 'of_domain' ? -30 * step : 0;
}

function sentence(weight: ReportWeight): string {
  const name = `${printable(weight.comm)} (pid ${weight.pid})`;
  if (weight.points === null) {
    const why = weight.spared === 'init' ? 'it is init' : `its oom_score_adj is ${OOM_SCORE_ADJ_MIN}`;
    return `${name}: the kernel never kills it, because ${why}.`;
  }
  const { rss_pages: rss, swap_pages: swap, page_tables_pages: tables, oom_score_adj: adj } = weight;
  const parts = `${rss} pages resident + ${swap} in swap + ${tables} of page tables`;
  const shift = adj === 0 ? '' : ` + oom_score_adj ${adj} × ${weight.adj_step_pages} pages`;
  const root = weight.root_pages === 0 ? '' : ` − ${-weight.root_pages} for root`;
  const raised = weight.raised_pages === 0 ? '' : ` + ${weight.raised_pages} (the minimum is 1)`;
  return `${name}: ${parts}${shift}${root}${raised} = ${weight.points} points.`;
}
