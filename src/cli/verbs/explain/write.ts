/** Writes reports in the format that the options select. */
import { EnvelopeFactory, realtimeOffsetNs } from '../../../events/envelope.ts';
import type { Patterns } from '../../../explain/patterns.ts';
import type { OomReport } from '../../../model/oom-report.ts';
import { writeAll } from '../../../render/output.ts';
import type { Paint } from '../../../render/paint.ts';
import { terminalColumns } from '../../verb/terminal-size.ts';

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
}

export async function writeReports(
  format: Format,
  { kept, patterns }: { kept: OomReport[]; patterns: Patterns },
  shown: Shown,
  printer: Printer,
): Promise<void> {
  const summary = patterns.summary();
  if (format === 'json') {
    const now = process.hrtime.bigint();
    const message = `${summary.reports} reports of OOMs, ${summary.kills} kills.`;
    const envelope = new EnvelopeFactory().next(now, realtimeOffsetNs(), 'info', 'log', message);
    for (const report of shown.last ? kept : []) printer.print(JSON.stringify(report));
    printer.print(JSON.stringify({ ...envelope, seq: summary.reports, ...summary }));
  } else if (format === 'markdown') {
    const { markdown } = await import('../../../explain/render/markdown.ts');
    printer.print(markdown(kept, summary));
  } else if (format === 'html') {
    const { html } = await import('../../../explain/render/html.ts');
    printer.print(html(kept, summary));
  } else await writeText(kept, summary, shown, printer);
}

async function writeText(
  kept: readonly OomReport[],
  summary: ReturnType<Patterns['summary']>,
  { each, paint, why }: Shown,
  printer: Printer,
): Promise<void> {
  const { renderPatterns, renderReport } = await import('../../../explain/render/text.ts');
  const width = Math.min(terminalColumns(process.stdout, 120), 140);
  if (summary.reports > 1) printer.print(`${renderPatterns(summary, paint, width)}\n`);
  if (!each) printer.print(paint('dim', 'The last report (--all shows every report, --last N the last N):\n'));
  const reports = each ? kept : kept.slice(-1);
  printer.print(reports.map((report) => renderReport(report, paint, width, why)).join('\n\n'));
}
