/** What a report means: why, who held the memory, whom the kernel chose, who would have been chosen otherwise, what to do. */

import { type BadnessDomain, OOM_SCORE_ADJ_MIN } from '../../kernel-facts/oom-badness.ts';
import type { ReportTask, ReportVerdict } from '../../model/oom-report.ts';
import { formatBytes, formatShare } from '../../text/format.ts';
import { printable } from '../../text/printable.ts';
import { badness, choose, sparingAdj } from '../report/badness.ts';
import type { ReportFacts } from '../report/facts.ts';
import { adviceOf } from './advice.ts';
import { causeOf } from './cause.ts';
import { factorsOf, statOf } from './factors.ts';
import { runtimeOf } from './runtimes.ts';

const MOST_HOLDERS = 10;

/** @param known whether `domain` is all that counts, or the text leaves swap out */
export function judge(
  report: ReportFacts,
  domain: BadnessDomain | null,
  known: boolean,
  chosen: { task: ReportTask; points: number } | undefined,
): ReportVerdict {
  const { tasks, victim } = report;
  const whole = domain?.bytes ?? null;
  const row = victim ? tasks.find(({ tid }) => tid === victim.tid) : undefined;
  const held = victim
    ? sizeOf({ rss_bytes: victim.memory.rss_bytes ?? row?.rss_bytes ?? 0, swap_bytes: victim.memory.swap_bytes })
    : null;
  const { cause, why } = causeOf(report);
  const factors = factorsOf(report);
  if ((report.trigger?.order ?? 0) > 0) {
    const order = report.trigger?.order as number;
    factors.push({
      factor: 'high_order',
      bytes: report.page_bytes * 2 ** order,
      text: `${2 ** order} pages in a row were asked for (order ${order}), not a single one`,
    });
  }
  return {
    cause,
    why,
    factors,
    holders: holdersOf(report, whole),
    victim_share:
      held !== null && whole !== null && whole > 0 && victim?.memory.rss_bytes !== null ? held / whole : null,
    choice: choiceOf(report, row, domain, known, chosen?.task),
    choice_agrees: agrees(report, row, known, chosen),
    culprit: culpritOf(report, row, whole),
    alternatives: row && domain ? alternatives(row, tasks, domain, known) : [],
    runtime: victim ? (runtimeOf(victim.comm)?.name ?? null) : null,
    advice: adviceOf(report, cause, factors, whole),
  };
}

const sizeOf = (task: { rss_bytes: number; swap_bytes: number | null }) => task.rss_bytes + (task.swap_bytes ?? 0);
const nameOf = ({ comm, pid }: { comm: string; pid: number }) => `${printable(comm)} (pid ${pid})`;
const bySize = (a: ReportTask, b: ReportTask) => sizeOf(b) - sizeOf(a);

function holdersOf(report: ReportFacts, whole: number | null): ReportVerdict['holders'] {
  const share = (bytes: number) => (whole === null || whole <= 0 ? null : bytes / whole);
  const processes = report.tasks.map((task) => ({ name: task.comm, pid: task.pid, bytes: sizeOf(task) }));
  const { memory, limit } = report;
  const stat = limit && limit.stats.length > 0 ? statOf(limit) : null;
  const of = (name: string) => stat?.(name) ?? memory?.totals[name] ?? 0;
  const mapped = report.tasks.reduce((sum, { shmem_rss_bytes }) => sum + (shmem_rss_bytes ?? 0), 0);
  const huge = memory?.hugepages.reduce((sum, { total, size_bytes }) => sum + total * size_bytes, 0) ?? 0;
  const kinds = [
    { name: 'tmpfs and shared memory', bytes: Math.max(0, of('shmem') - mapped) },
    { name: 'kernel objects (unreclaimable slab)', bytes: of('slab_unreclaimable') },
    { name: 'huge pages set aside', bytes: huge },
  ].map((kind) => ({ ...kind, pid: null }));
  return [...processes, ...kinds]
    .filter(({ bytes }) => bytes > 0)
    .sort((a, b) => b.bytes - a.bytes)
    .slice(0, MOST_HOLDERS)
    .map((holder) => ({ ...holder, share: share(holder.bytes) }));
}

const isAsker = (report: ReportFacts) => /oom_kill_allocating_task/.test(report.victim?.reason ?? '');

function agrees(
  report: ReportFacts,
  row: ReportTask | undefined,
  known: boolean,
  chosen: { task: ReportTask; points: number } | undefined,
): boolean | null {
  if (!row || !chosen || isAsker(report)) return null;
  if (chosen.task === row) return true;
  // What is left out may have decided; and those who would come first may have been dying already.
  return known ? false : null;
}

function choiceOf(
  report: ReportFacts,
  row: ReportTask | undefined,
  domain: BadnessDomain | null,
  known: boolean,
  ours: ReportTask | undefined,
): string {
  const { victim, group, outcome } = report;
  if (!victim) return outcome === 'unknown' ? 'The log does not say whom the kernel chose.' : 'Nobody was chosen.';
  if (isAsker(report))
    return `${nameOf(victim)} was killed for asking (vm.oom_kill_allocating_task), whatever others held.`;
  const along = group.length > 0 ? ` With it went ${group.length} more, by memory.oom.group.` : '';
  const score = victim.score === null ? '' : ` The kernel gave it a score of ${victim.score}.`;
  if (!row)
    return `${nameOf(victim)} was chosen; without the task table it cannot be told against whom.${score}${along}`;
  if (!domain)
    return `${nameOf(victim)} was chosen, by rules or for a size that the report does not tell.${score}${along}`;
  const parts = `${formatBytes(row.rss_bytes)} resident, ${formatBytes(row.swap_bytes ?? 0)} in swap, ${formatBytes(row.page_tables_bytes ?? 0)} of page tables`;
  const shift = row.oom_score_adj === 0 ? '' : `, and an oom_score_adj of ${row.oom_score_adj}`;
  const points = badness(row, domain);
  const figure = points !== null && (known || row.oom_score_adj === 0) ? `: ${points} points` : '';
  const lead = `${nameOf(victim)} was chosen for ${parts}${shift}${figure}`;
  if (ours === row) {
    const running = report.tasks.filter((task) => badness(task, domain) !== null).length;
    const rank = running === 1 ? 'the only one in the running' : `the most of the ${running} in the running`;
    return `${lead}, ${rank}.${score}${along}`;
  }
  const other = ours && known ? ` By these figures ${nameOf(ours)} came first; it may have been dying already.` : '';
  return `${lead}.${other}${score}${along}`;
}

/** The one who is killed is the largest by the kernel's rule; the one at fault may be another. */
function culpritOf(report: ReportFacts, row: ReportTask | undefined, whole: number | null): string {
  const { victim, tasks } = report;
  const asked = askedBy(report);
  const largest = tasks.toSorted(bySize)[0];
  if (!victim || !largest) return `The log does not say who held the memory.${asked}`;
  const sum = tasks.reduce((bytes, task) => bytes + sizeOf(task), 0);
  const share = (task: ReportTask) => (whole ? ` (${formatShare(sizeOf(task) / whole)} of what ran out)` : '');
  const used = whole === null ? null : whole - (report.memory?.swap_free_bytes ?? 0);
  const little =
    used !== null && sum < used / 2
      ? ` All processes together held ${formatBytes(sum)} of ${formatBytes(used)}: most of it was not theirs.`
      : '';
  if (row && sizeOf(row) >= sizeOf(largest)) {
    return `Victim and largest process are the same: ${nameOf(victim)} held ${formatBytes(sizeOf(row))}${share(row)}. Whether it leaked or was merely the largest, several reports tell: see who grew.${little}${asked}`;
  }
  const why =
    largest.oom_score_adj === OOM_SCORE_ADJ_MIN || largest.pid === 1
      ? ', and may not be killed'
      : row && largest.oom_score_adj < row.oom_score_adj
        ? `, with an oom_score_adj of ${largest.oom_score_adj} against the victim’s ${row.oom_score_adj}`
        : '';
  return `The victim was not the largest: ${nameOf(largest)} held ${formatBytes(sizeOf(largest))}${share(largest)}${why}.${little}${asked}`;
}

function askedBy({ trigger, victim, tasks }: ReportFacts): string {
  if (!trigger || !victim || trigger.order === -1 || trigger.tid === null) return '';
  if (trigger.tid === victim.tid || trigger.pid === victim.pid) return '';
  const thread = tasks.length > 0 && !tasks.some(({ tid }) => tid === trigger.tid);
  const who = thread ? `thread ${trigger.tid}, whose process the report does not name` : `pid ${trigger.pid}`;
  return ` ${printable(trigger.comm)} (${who}) only asked when nothing was left.`;
}

function alternatives(
  row: ReportTask,
  tasks: readonly ReportTask[],
  domain: BadnessDomain,
  known: boolean,
): ReportVerdict['alternatives'] {
  const found: ReportVerdict['alternatives'] = [];
  if (tasks.some(({ oom_score_adj }) => oom_score_adj !== 0)) {
    const level = choose(tasks, domain, (task) => (task.oom_score_adj === OOM_SCORE_ADJ_MIN ? OOM_SCORE_ADJ_MIN : 0));
    if (level) found.push({ if: 'every oom_score_adj were 0', pid: level.task.pid, comm: level.task.comm });
  }
  const spare = known ? sparingAdj(row, tasks, domain) : null;
  if (spare) {
    const { adj, next } = spare;
    found.push({ if: `the victim’s oom_score_adj were ${adj} or lower`, pid: next.pid, comm: next.comm });
  }
  const second = choose(
    tasks.filter((task) => task !== row),
    domain,
  );
  if (second) found.push({ if: 'the victim were exempt (-1000)', pid: second.task.pid, comm: second.task.comm });
  return found;
}
