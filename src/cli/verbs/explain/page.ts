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

/** No page has more JSON than this: deflate makes logs at most some forty times smaller. */
const MOST_JSON = 16 * 1024 * 1024;

/**
 * Packs as many of the last reports as fit. When one report alone does not fit, its lines are left out, then the smaller
 * processes and the earlier messages of other programs.
 */
function fitting(collector: ReportCollector, summary: Summary, room: number) {
  const { kept } = collector;
  const attempt = (detail: Detail) => {
    const { archive, notes } = cut(collector, summary, detail);
    const base64 = deflateRawSync(JSON.stringify(archive), { level: 9 }).toString('base64');
    return { base64, notes, fits: base64.length <= room };
  };
  let [low, high] = [Math.min(1, kept.length), likely(kept)];
  const full = (reports: number): Detail => ({ reports, others: MOST_OTHERS, lines: true, tasks: MOST_TASKS });
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (attempt(full(middle)).fits) low = middle;
    else high = middle - 1;
  }
  let best = attempt(full(low));
  for (let [tasks, others] = [MOST_TASKS, MOST_OTHERS]; !best.fits && tasks > 0; tasks >>= 1, others >>= 1) {
    best = attempt({ reports: low, others, lines: false, tasks });
  }
  return best;
}

/** How many of the last reports may fit, by the length of their JSON. */
function likely(kept: readonly OomReport[]): number {
  let bytes = 0;
  const at = kept.findLastIndex((report) => {
    bytes += JSON.stringify(report).length;
    return bytes > MOST_JSON;
  });
  return Math.max(Math.min(1, kept.length), kept.length - 1 - at);
}

const MOST_TASKS = 2 ** 17;
const MOST_OTHERS = 2 ** 10;

/** What the page has. */
interface Detail {
  /** The number of reports: the last ones. */
  reports: number;
  /** At most this many messages of other programs: the last ones. */
  others: number;
  /** Whether reports have their lines. */
  lines: boolean;
  /** At most this many processes of a report: the largest. */
  tasks: number;
}

function cut({ kept, others, found, othersFound }: ReportCollector, summary: Summary, detail: Detail) {
  const because = `the page may have ${MOST_BYTES / 1024} KiB at most`;
  const notes: string[] = [];
  if (found > detail.reports) {
    const why = detail.reports === kept.length ? `with --all it has as many as fit` : because;
    notes.push(
      `This page has the last ${detail.reports} of ${found} reports: ${why}. The summary counts all of them; explain --json has all.`,
    );
  }
  const lastOthers = others.slice(Math.max(0, others.length - detail.others));
  if (othersFound > lastOthers.length) {
    notes.push(
      `This page has the last ${lastOthers.length} of ${othersFound} messages of other programs: ${because}; explain --json has all.`,
    );
  }
  const reports = kept.slice(kept.length - detail.reports).map((report): OomReport => {
    const own = { ...report, lines: detail.lines ? report.lines : null };
    if (report.tasks.length <= detail.tasks) return own;
    notes.push(`The table of processes has the ${detail.tasks} largest of ${report.tasks.length}: ${because}.`);
    const largest = new Set(report.tasks.toSorted((a, b) => b.rss_bytes - a.rss_bytes).slice(0, detail.tasks));
    return { ...own, tasks: report.tasks.filter((task) => largest.has(task) || task.tid === report.victim?.tid) };
  });
  if (!detail.lines) notes.push(`The lines of the report are left out: ${because}.`);
  const archive: Archive = { reports, others: lastOthers, summary, notes };
  return { archive, notes };
}
