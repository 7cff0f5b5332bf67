/** Writes reports in the format that the options select. */
import { EnvelopeFactory, realtimeOffsetNs } from '../../../events/envelope.ts';
import type { Patterns } from '../../../explain/patterns.ts';
import { compare } from '../../../explain/verdict/comparison.ts';
import type { OomOtherKill } from '../../../model/oom-other-kill.ts';
import type { OomReport } from '../../../model/oom-report.ts';
import { writeAll } from '../../../render/output.ts';
import type { Paint } from '../../../render/paint.ts';
import { tell } from '../../verb/tell.ts';
import { terminalColumns } from '../../verb/terminal-size.ts';
import type { ReportCollector } from './report-collector.ts';

export type Format = 'text' | 'json' | 'markdown' | 'html';

/** Writes to stdout. It waits for a slow reader and drops nothing, because a log is not a live stream. */
export class Printer {
  readonly #stop = new AbortController();

  /** Aborted when the reader has closed stdout. */
  get signal(): AbortSignal {
    return this.#stop.signal;
  }

  print(text: string): void {
    if (this.#stop.signal.aborted) return;
    try {
      writeAll(1, Buffer.from(`${text}\n`));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EPIPE') throw error;
      this.#stop.abort();
    }
  }
}

/** An event as JSON lines: a report is followed by its comparison, where one was asked for. */
export function eventLines(event: OomReport | OomOtherKill, why: number | undefined): string[] {
  const compared = event.type === 'oom.report' && why !== undefined ? [compare(event, why)] : [];
  return [event, ...compared].map((one) => JSON.stringify(one));
}

interface Shown {
  /** true: show each report that was kept; false: show only the last one. */
  each: boolean;
  /**
   * Was --last given? Then JSON contains only the last reports, and they are printed after the whole input was read.
   */
  last: boolean;
  paint: Paint;
  /** The pid of a process to compare with the victim. */
  why: number | undefined;
  /** List every field. */
  fields: boolean;
}

export async function writeReports(
  format: Format,
  collector: ReportCollector,
  shown: Shown,
  printer: Printer,
): Promise<void> {
  const { kept, others, patterns, timeLine } = collector;
  const summary = patterns.summary();
  if (format === 'json') {
    const now = process.hrtime.bigint();
    const message = `${summary.reports} reports of OOMs, ${summary.kills} kills.`;
    const envelope = new EnvelopeFactory().next(now, realtimeOffsetNs(), 'info', 'log', message);
    for (const event of shown.last ? [...kept, ...others] : []) {
      for (const line of eventLines(event, shown.why)) printer.print(line);
    }
    printer.print(JSON.stringify({ ...envelope, seq: summary.reports + summary.other_kills, ...summary }));
  } else if (format === 'markdown') {
    const { markdown } = await import('../../../explain/render/markdown.ts');
    printer.print(markdown(kept, summary, timeLine));
  } else if (format === 'html') {
    const { pageOf } = await import('./page.ts');
    const { page, notes } = pageOf(collector, summary);
    for (const note of notes) tell(note);
    printer.print(page);
  } else await writeText(collector, summary, shown, printer);
}

async function writeText(
  { kept, timeLine }: ReportCollector,
  summary: ReturnType<Patterns['summary']>,
  { each, paint, why, fields }: Shown,
  printer: Printer,
): Promise<void> {
  const { renderPatterns, renderReport, renderTimeLine } = await import('../../../explain/render/text.ts');
  const width = Math.min(terminalColumns(process.stdout, 120), 140);
  const many = summary.reports + summary.other_kills > 1;
  if (many) printer.print(renderPatterns(summary, paint, width));
  if (many || summary.reports === 0) printer.print(`${renderTimeLine(timeLine, paint, width)}\n`);
  if (!each) printer.print(paint('dim', 'The last report (--all shows every report, --last N the last N):\n'));
  const reports = each ? kept : kept.slice(-1);
  if (reports.length > 0) {
    printer.print(reports.map((report) => renderReport(report, paint, width, { why, fields })).join('\n\n'));
  }
}
