/** Compares the victim with another process: computes oom_badness() of both. */
import { type BadnessDomain, badnessRules, OOM_SCORE_ADJ_MIN } from '../../kernel-facts/oom-badness.ts';
import { type KernelVersion, parseKernelVersion } from '../../kernel-facts/version.ts';
import type { OomReport, ReportTask } from '../../model/oom-report.ts';
import { printable } from '../../text/printable.ts';
import { badness } from '../report/badness.ts';

/** The rules of this version are used when the report does not name its kernel. */
const CURRENT: KernelVersion = [7, 0];

/** @returns sentences without control characters */
export function weigh(report: OomReport, pid: number): string[] {
  const { tasks, victim } = report;
  if (tasks.length === 0) return ['The report has no task table, so no process can be compared with the victim.'];
  const other = tasks.find((task) => task.pid === pid || task.tid === pid);
  if (!other) return [`The task table of the report has no process ${pid}.`];
  const domain = domainIn(report, other);
  if (!domain)
    return [
      'The report lacks the limit or the size of the memory that ran out, which oom_score_adj is multiplied with.',
    ];
  const own = victim && tasks.find(({ tid }) => tid === victim.tid);
  if (own === other) return [`${nameOf(other)} is the victim.`, sum(other, domain)];
  const lines = own ? [sum(own, domain), sum(other, domain)] : [sum(other, domain)];
  return [...lines, conclusion(report, own ?? null, other, domain)];
}

function domainIn({ domain_bytes, page_bytes, kernel }: OomReport, other: ReportTask): BadnessDomain | null {
  const rules = badnessRules((kernel === null ? undefined : parseKernelVersion(kernel)) ?? CURRENT);
  // With oom_score_adj 0 the badness does not depend on the size.
  if (domain_bytes === null && other.oom_score_adj !== 0) return null;
  return { bytes: domain_bytes ?? 0, pageBytes: page_bytes, rules };
}

const nameOf = ({ comm, pid }: ReportTask) => `${printable(comm)} (pid ${pid})`;

function sum(task: ReportTask, domain: BadnessDomain): string {
  const points = badness(task, domain);
  if (points === null) {
    const why = task.pid === 1 ? 'it is init' : `its oom_score_adj is ${OOM_SCORE_ADJ_MIN}`;
    return `${nameOf(task)}: the kernel never kills it, because ${why}.`;
  }
  const pages = (bytes: number | null) => Math.floor((bytes ?? 0) / domain.pageBytes);
  const usage = pages(task.rss_bytes) + pages(task.swap_bytes) + pages(task.page_tables_bytes);
  const parts = `${pages(task.rss_bytes)} pages resident + ${pages(task.swap_bytes)} in swap + ${pages(task.page_tables_bytes)} of page tables`;
  const thousandth = Math.floor(pages(domain.bytes) / 1000);
  const adj = task.oom_score_adj * thousandth;
  const shift = task.oom_score_adj === 0 ? '' : ` + oom_score_adj ${task.oom_score_adj} × ${thousandth} pages`;
  // Some kernels subtract pages for root, or raise the result to at least 1: see badnessRules().
  const rest = points - usage - adj;
  const rule = rest === 0 ? '' : rest < 0 ? ` − ${-rest} for root` : ` + ${rest} (the minimum is 1)`;
  return `${nameOf(task)}: ${parts}${shift}${rule} = ${points} points.`;
}

function conclusion({ victim }: OomReport, own: ReportTask | null, other: ReportTask, domain: BadnessDomain): string {
  if (!victim) return 'The log does not name a victim, so there is no comparison.';
  if (!own) return 'The task table has no row for the victim, so there is no comparison.';
  if (/oom_kill_allocating_task/.test(victim.reason ?? '')) {
    return 'The kernel did not compare them: it killed the allocating task (vm.oom_kill_allocating_task).';
  }
  const [first, second] = [badness(own, domain), badness(other, domain)];
  if (second === null) return 'So this process could not be chosen.';
  if (first === null)
    return 'By these figures the kernel could not choose the victim: its figures must have changed between the choice and the report.';
  if (first > second) return `The victim had ${first - second} points more, so the kernel chose it.`;
  if (first === second) return 'Both had the same points, so their order in the kernel’s list of processes decided.';
  return `By these figures ${nameOf(other)} had ${second - first} points more; that process may have been exiting already.`;
}
