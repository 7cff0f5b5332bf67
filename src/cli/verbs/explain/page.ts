/** `explain --html`: the page with the reports in it. */
import { readFileSync } from 'node:fs';
import { deflateRawSync } from 'node:zlib';
import type { Summary } from '../../../explain/html/summary-view.ts';
import { type Archive, withArchive } from '../../../explain/page/archive.ts';
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

/** Packs as many of the last reports as fit. When one report alone does not fit, its smallest processes are left out. */
function fitting({ kept, others, found }: ReportCollector, summary: Summary, room: number) {
  const attempt = (count: number, tasks: number) => {
    const { archive, notes } = archiveOf(kept.slice(kept.length - count), others, summary, found, tasks);
    const base64 = deflateRawSync(JSON.stringify(archive), { level: 9 }).toString('base64');
    return { base64, notes, fits: base64.length <= room };
  };
  let [low, high] = [Math.min(1, kept.length), kept.length];
  let best = attempt(high, Number.POSITIVE_INFINITY);
  if (best.fits) return best;
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (attempt(middle, Number.POSITIVE_INFINITY).fits) low = middle;
    else high = middle - 1;
  }
  best = attempt(low, Number.POSITIVE_INFINITY);
  for (let tasks = kept.at(-1)?.tasks.length ?? 0; !best.fits && tasks > 0; ) {
    tasks = Math.floor(tasks / 2);
    best = attempt(low, tasks);
  }
  return best;
}

function archiveOf(
  reports: ReportCollector['kept'],
  others: ReportCollector['others'],
  summary: Summary,
  found: number,
  mostTasks: number,
): { archive: Archive; notes: string[] } {
  const notes: string[] = [];
  const left = found - reports.length;
  if (left > 0) {
    notes.push(
      `This page has the last ${reports.length} of ${found} reports: it may have ${MOST_BYTES / 1024} KiB at most. The summary counts all of them; explain --json has all.`,
    );
  }
  const cut = reports.map((report) => {
    if (report.tasks.length <= mostTasks) return report;
    notes.push(
      `The table of processes has the ${mostTasks} largest of ${report.tasks.length}: the page may have ${MOST_BYTES / 1024} KiB at most.`,
    );
    const tasks = new Set(report.tasks.toSorted((a, b) => b.rss_bytes - a.rss_bytes).slice(0, mostTasks));
    const victim = report.tasks.find(({ tid }) => tid === report.victim?.tid);
    return { ...report, tasks: report.tasks.filter((task) => tasks.has(task) || task === victim) };
  });
  return { archive: { reports: cut, others, summary, notes }, notes };
}
