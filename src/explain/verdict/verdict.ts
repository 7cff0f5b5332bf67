/** Explains a report: cause, holders of the memory, the kernel's choice, other possible choices, and advice. */
import { type BadnessDomain, OOM_SCORE_ADJ_MIN } from '../../kernel-facts/oom-badness.ts';
import type { ReportTask, ReportVerdict } from '../../model/oom-report.ts';
import { choose, sparingAdj } from '../report/badness.ts';
import type { ReportFacts } from '../report/report-facts.ts';
import { adviceOf } from './advice.ts';
import { causeOf } from './cause.ts';
import { choiceOf, wasAsker, wasOrigin } from './choice.ts';
import { culpritOf } from './culprit.ts';
import { factorsOf } from './factors.ts';
import { fragmentationOf } from './fragmentation.ts';
import { holdersOf, shareOf, sizeOf } from './holders.ts';
import { runtimeOf } from './runtimes.ts';
import { sumsOf } from './sums.ts';

/**
 * @param domain the memory that ran out; null: its size is unknown
 * @param known false: the size is incomplete, for example because the report lacks the swap of the machine
 * @param chosen the process with the highest badness by the figures of the report
 */
export function judge(
  report: ReportFacts,
  domain: BadnessDomain | null,
  known: boolean,
  chosen: { task: ReportTask; points: number } | undefined,
): ReportVerdict {
  const { tasks, victim } = report;
  const whole = domain?.bytes ?? null;
  const row = victim ? tasks.find(({ tid }) => tid === victim.tid) : undefined;
  const { cause, why } = causeOf(report);
  const factors = factorsOf(report);
  return {
    cause,
    why,
    factors,
    holders: holdersOf(report, whole),
    victim_share: victimShare(report, whole),
    choice: choiceOf(report, row, domain, known, chosen?.task),
    choice_agrees: agrees(report, row, known, chosen),
    culprit: culpritOf(report, row, whole),
    alternatives: row && domain && !wasOrigin(report) ? alternatives(row, tasks, domain, known) : [],
    fragmentation: fragmentationOf(report, cause),
    sums: sumsOf(report),
    runtime: victim ? (runtimeOf(victim.comm)?.name ?? null) : null,
    advice: adviceOf(report, cause, factors, whole),
  };
}

function victimShare({ victim }: ReportFacts, whole: number | null): number | null {
  const rss = victim?.memory.rss_bytes ?? null;
  if (!victim || rss === null) return null;
  return shareOf(sizeOf({ rss_bytes: rss, swap_bytes: victim.memory.swap_bytes }), whole);
}

function agrees(
  report: ReportFacts,
  row: ReportTask | undefined,
  known: boolean,
  chosen: { task: ReportTask; points: number } | undefined,
): boolean | null {
  if (!row || !chosen || wasAsker(report) || wasOrigin(report)) return null;
  if (chosen.task === row) return true;
  // With an incomplete size the computed choice may be wrong, so a difference proves nothing.
  return known ? false : null;
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
  const others = tasks.filter((task) => task !== row);
  const second = choose(others, domain);
  if (second) found.push({ if: 'the victim were exempt (-1000)', pid: second.task.pid, comm: second.task.comm });
  return found;
}
