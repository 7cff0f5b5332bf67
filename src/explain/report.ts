/** A report, from its lines: every figure in bytes, what the lines do not say as null. */
import { createHash } from 'node:crypto';
import { hostname } from 'node:os';
import { SCHEMA } from '../model/events.ts';
import type { OomReport, ReportTask } from '../model/oom-report.ts';
import { formatTime } from '../text/format.ts';
import { printable } from '../text/printable.ts';
import type { OpenReport } from './input/open-report.ts';
import { readTime } from './input/prefix.ts';
import { badness, choose } from './report/badness.ts';
import { domainOf } from './report/domain.ts';
import { factsOf } from './report/facts.ts';
import { judge } from './verdict/verdict.ts';

export interface ReportContext {
  input: string;
  /** The log is this machine's, of this boot: seconds since 1970 at its boot. */
  bootTimeSeconds: number | null;
}

export function toReport(draft: OpenReport, context: ReportContext, seq: number): OomReport {
  const { facts, faulty } = factsOf(draft);
  const { domain, known } = domainOf(facts);
  const points = (task: ReportTask) => (domain && (known || task.oom_score_adj === 0) ? badness(task, domain) : null);
  for (const task of facts.tasks) task.badness_pages = points(task);
  const chosen = facts.tasks.find(({ tid }) => tid === facts.victim?.tid);
  const stamps = stampsOf(draft, context);
  const verdict = judge(facts, domain, known, domain ? choose(facts.tasks, domain) : undefined);
  return {
    schema: SCHEMA,
    id: idOf(draft, context),
    seq,
    ...stamps,
    boot_id: draft.start.bootId,
    node: draft.start.host ?? (context.bootTimeSeconds === null ? '' : hostname()),
    severity: 'critical',
    source: 'log',
    message: `${headline(facts)}: ${verdict.why}`,
    type: 'oom.report',
    kill_id: null,
    lines: null,
    input: context.input,
    offset: draft.start.offset,
    ...facts,
    domain_bytes: known && domain ? domain.bytes : null,
    badness_pages: chosen?.badness_pages ?? null,
    verdict,
    warnings: warningsOf(draft, faulty),
  };
}

function stampsOf(
  { start }: OpenReport,
  { bootTimeSeconds }: ReportContext,
): Pick<OomReport, 'time' | 'mono_ns' | 'time_source' | 'since_boot_seconds'> {
  const { stamp, sinceBootUs } = start;
  const timeMs = readTime(start);
  const us = BigInt(sinceBootUs ?? 0);
  const base = { mono_ns: String(us * 1000n), since_boot_seconds: sinceBootUs === null ? null : sinceBootUs / 1e6 };
  const at = (ms: number) => formatTime(BigInt(Math.round(ms * 1000)) * 1000n);
  if (timeMs !== null) return { time: at(timeMs), time_source: stamp?.complete ? 'log' : 'log_local', ...base };
  if (bootTimeSeconds === null || sinceBootUs === null)
    return { time: at(Date.now()), time_source: 'reading', ...base };
  return { time: at(bootTimeSeconds * 1000 + sinceBootUs / 1000), time_source: 'boot', ...base };
}

/** The same for the same report, wherever and whenever it is read. */
function idOf({ start, invoked, kills }: OpenReport, { input }: ReportContext): string {
  const { host, bootId, sinceBootUs, offset } = start;
  const timeMs = readTime(start);
  const where = sinceBootUs === null && timeMs === null ? [input, offset] : [];
  const what = [
    host,
    bootId,
    sinceBootUs,
    sinceBootUs === null ? timeMs : null,
    invoked?.comm,
    kills[0]?.pid,
    ...where,
  ];
  return `log-${createHash('sha256').update(JSON.stringify(what)).digest('hex').slice(0, 20)}`;
}

function headline({ outcome, victim }: Pick<OomReport, 'outcome' | 'victim'>): string {
  if (victim) return `${printable(victim.comm)} (pid ${victim.pid}) was killed`;
  return (
    { panic: 'The kernel panicked', nobody_killable: 'Nobody could be killed' }[outcome as 'panic'] ?? 'Out of memory'
  );
}

function warningsOf(draft: OpenReport, faulty: string[]): string[] {
  const warnings = [...draft.warnings];
  if (faulty.length > 0) {
    const [first = ''] = faulty;
    const shown = first.length > 120 ? `${first.slice(0, 120)}…` : first;
    warnings.push(`${faulty.length} of the task table's rows not as its head says: "${printable(shown)}"`);
  }
  if (draft.ambiguous > 0) {
    warnings.push(`${draft.ambiguous} lines could also be another report's, which was written at the same time`);
  }
  return warnings;
}
