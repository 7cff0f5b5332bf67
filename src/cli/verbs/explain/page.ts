/** `explain --html`: the page with the reports in it. */
import { readFileSync } from 'node:fs';
import { deflateRawSync } from 'node:zlib';
import type { Summary } from '../../../explain/html/summary-view.ts';
import { type Archive, withArchive } from '../../../explain/page/archive.ts';
import type { OomReport } from '../../../model/oom-report.ts';
import type { ReportCollector } from './report-collector.ts';

/** A page for a mail or a ticket: larger ones are refused there. */
const MOST_BYTES = 400 * 1024;

/** @returns the page, and sentences about what it does not have */
export function pageOf(collector: ReportCollector, summary: Summary): { page: string; notes: string[] } {
  // The build writes it beside the bundle of the command: scripts/bundle.ts.
  const empty = readFileSync(new URL('page.html', import.meta.url), 'utf8');
  const room = MOST_BYTES - Buffer.byteLength(empty);
  const { base64, notes } = fitting(collector, summary, room);
  return { page: withArchive(empty, base64).trimEnd(), notes };
}

/**
 * Packs as many of the last reports as fit. When one report alone does not fit, its lines are left out, and then its
 * smallest processes.
 */
function fitting({ kept, others, found }: ReportCollector, summary: Summary, room: number) {
  const attempt = (count: number, detail: Detail = FULL) => {
    const { reports, notes } = cut(kept.slice(kept.length - count), found, detail);
    const archive: Archive = { reports, others, summary, notes };
    const base64 = deflateRawSync(JSON.stringify(archive), { level: 9 }).toString('base64');
    return { base64, notes, fits: base64.length <= room };
  };
  const all = attempt(kept.length);
  if (all.fits) return all;
  let [low, high] = [Math.min(1, kept.length), kept.length];
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (attempt(middle).fits) low = middle;
    else high = middle - 1;
  }
  let best = attempt(low);
  for (let tasks = Number.POSITIVE_INFINITY; !best.fits && tasks > 0; tasks = halved(tasks, kept.at(-1))) {
    best = attempt(low, { tasks, lines: false });
  }
  return best;
}

/** What the page has of each report. */
interface Detail {
  lines: boolean;
  /** At most this many processes: the largest. */
  tasks: number;
}

const FULL: Detail = { lines: true, tasks: Number.POSITIVE_INFINITY };

const halved = (tasks: number, report: OomReport | undefined) =>
  Math.floor(Math.min(tasks, report?.tasks.length ?? 0) / 2);

function cut(reports: readonly OomReport[], found: number, { lines, tasks }: Detail) {
  const because = `the page may have ${MOST_BYTES / 1024} KiB at most`;
  const notes: string[] = [];
  if (found > reports.length) {
    notes.push(
      `This page has the last ${reports.length} of ${found} reports: ${because}. The summary counts all of them; explain --json has all.`,
    );
  }
  const shown = reports.map((report): OomReport => {
    const own = { ...report, lines: lines ? report.lines : null };
    if (report.tasks.length <= tasks) return own;
    notes.push(`The table of processes has the ${tasks} largest of ${report.tasks.length}: ${because}.`);
    const largest = new Set(report.tasks.toSorted((a, b) => b.rss_bytes - a.rss_bytes).slice(0, tasks));
    const kept = report.tasks.filter((task) => largest.has(task) || task.tid === report.victim?.tid);
    return { ...own, tasks: kept };
  });
  if (!lines) notes.push(`The lines of the report are left out: ${because}.`);
  return { reports: shown, notes };
}
