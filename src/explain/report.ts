/**
 * Builds the `oom.report` event from the lines of a report. Sizes are in bytes; null: the lines do not have the value.
 */
import { SCHEMA } from '../model/events.ts';
import type { OomReport, ReportTask } from '../model/oom-report.ts';
import { printable } from '../text/printable.ts';
import { fingerprint } from './fingerprint.ts';
import type { OpenReport } from './input/open-report.ts';
import { readTime } from './input/stamp.ts';
import { type LogContext, placeOf } from './place.ts';
import { badness, choose } from './report/badness.ts';
import { domainOf } from './report/domain.ts';
import { factsOf } from './report/facts.ts';
import { judge } from './verdict/verdict.ts';

/** @param seq number of the report in its log, from 0 */
export function toReport(open: OpenReport, context: LogContext, seq: number): OomReport {
  const { facts, faulty } = factsOf(open);
  const { domain, known } = domainOf(facts);
  const points = (task: ReportTask) => (domain && (known || task.oom_score_adj === 0) ? badness(task, domain) : null);
  for (const task of facts.tasks) task.badness_pages = points(task);
  const chosen = facts.tasks.find(({ tid }) => tid === facts.victim?.tid);
  const { evidence: _, ...fields } = facts;
  const verdict = judge(facts, domain, known, domain ? choose(facts.tasks, domain) : undefined);
  return {
    schema: SCHEMA,
    id: idOf(open, context),
    seq,
    ...placeOf(open.start, context),
    severity: 'critical',
    source: 'log',
    message: `${headline(facts)}: ${verdict.why}`,
    type: 'oom.report',
    kill_id: null,
    lines: context.lines ? open.texts.map(printable) : null,
    ...fields,
    domain_bytes: known && domain ? domain.bytes : null,
    badness_pages: chosen?.badness_pages ?? null,
    verdict,
    warnings: warningsOf(open, faulty),
  };
}

/**
 * The id depends on the report alone, not on when or where it is read. For a report without any time stamp the name of
 * the log and the position in it are part of the id as well.
 */
function idOf({ start, invoked, kills, taskIn, summary, chosen }: OpenReport, { input }: LogContext): string {
  const { host, bootId, sinceBootUs, offset } = start;
  const timeMs = readTime(start);
  const where = sinceBootUs === null && timeMs === null ? [input, offset] : [];
  const what = [
    host,
    bootId,
    sinceBootUs,
    sinceBootUs === null ? timeMs : null,
    invoked?.comm,
    kills[0]?.pid ?? summary?.pid ?? chosen?.pid,
    taskIn?.task,
    ...where,
  ];
  return `log-${fingerprint(JSON.stringify(what))}`;
}

/** The headline of a report whose victim is unknown, by outcome. */
export const outcomes: Readonly<Record<OomReport['outcome'], string>> = {
  killed: 'A process was killed',
  panic: 'The kernel panicked',
  nobody_killable: 'No process could be killed',
  unknown: 'The OOM killer was invoked',
};

function headline({ outcome, victim }: Pick<OomReport, 'outcome' | 'victim'>): string {
  return victim ? `${printable(victim.comm)} (pid ${victim.pid}) was killed` : outcomes[outcome];
}

function warningsOf(open: OpenReport, faulty: string[]): string[] {
  const warnings = [...open.warnings];
  if (faulty.length > 0) {
    const [first = ''] = faulty;
    const shown = first.length > 120 ? `${first.slice(0, 120)}…` : first;
    warnings.push(
      `${faulty.length} rows of the task table do not fit its column names, the first is "${printable(shown)}"`,
    );
  }
  if (open.ambiguous > 0) {
    warnings.push(`${open.ambiguous} lines may belong to another report that was written at the same time`);
  }
  return warnings;
}
