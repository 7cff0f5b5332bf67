/** Why the kernel chose the victim and not another process: the arithmetic of oom_badness() for both. */
import { type BadnessDomain, badnessRules, OOM_SCORE_ADJ_MIN } from '../../kernel-facts/oom-badness.ts';
import { type KernelVersion, parseKernelVersion } from '../../kernel-facts/version.ts';
import type { OomReport, ReportTask } from '../../model/oom-report.ts';
import { printable } from '../../text/printable.ts';
import { badness } from '../report/badness.ts';

/** A report that does not name its kernel is read by the rules of today's. */
const CURRENT: KernelVersion = [7, 0];

/** @returns sentences, safe to show */
export function weigh(report: OomReport, pid: number): string[] {
  const { tasks, victim } = report;
  if (tasks.length === 0) return ['The report has no task table, so no process can be compared with the victim.'];
  const other = tasks.find((task) => task.pid === pid || task.tid === pid);
  if (!other) return [`The task table of the report has no process ${pid}.`];
  const domain = domainIn(report, other);
  if (!domain) return ['The report does not have the size of what ran out, which oom_score_adj is a share of.'];
  const own = victim && tasks.find(({ tid }) => tid === victim.tid);
  if (own === other) return [`${nameOf(other)} is the victim.`, sum(other, domain)];
  const lines = own ? [sum(own, domain), sum(other, domain)] : [sum(other, domain)];
  return [...lines, conclusion(report, own ?? null, other, domain)];
}

function domainIn({ domain_bytes, page_bytes, kernel }: OomReport, other: ReportTask): BadnessDomain | null {
  const rules = badnessRules((kernel === null ? undefined : parseKernelVersion(kernel)) ?? CURRENT);
  // Without the size the sum still holds for a process whose oom_score_adj is 0.
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
  // What root has taken off, or the least of 1: see badnessRules().
  const rest = points - usage - adj;
  const rule = rest === 0 ? '' : rest < 0 ? ` − ${-rest} for root` : ` + ${rest} up to the least of 1`;
  return `${nameOf(task)}: ${parts}${shift}${rule} = ${points} points.`;
}

function conclusion({ victim }: OomReport, own: ReportTask | null, other: ReportTask, domain: BadnessDomain): string {
  if (!victim) return 'The log does not name a victim to compare it with.';
  if (!own) return 'The task table has no row for the victim to compare it with.';
  if (/oom_kill_allocating_task/.test(victim.reason ?? '')) {
    return 'The kernel did not compare them: it killed the allocating task (vm.oom_kill_allocating_task).';
  }
  const [first, second] = [badness(own, domain), badness(other, domain)];
  if (second === null) return 'So it was no candidate.';
  if (first === null)
    return 'By these figures the victim was no candidate: they had changed when the report was written.';
  if (first > second) return `The victim had ${first - second} points more, so the kernel chose it.`;
  if (first === second) return 'Both had the same points: the order of the list of processes decided.';
  return `By these figures ${nameOf(other)} had ${second - first} points more; it may have been exiting already.`;
}
