/** Explains a log that is in memory as text. Uses no Node API, so it runs in a browser as well. */
import type { OomReport } from '../model/oom-report.ts';
import { Assembler } from './input/assemble.ts';
import type { OtherKill } from './input/other-killers.ts';
import { readLine } from './input/prefix.ts';
import type { Clock } from './input/stamp.ts';
import { toReport } from './report.ts';

/** The reports, other kills and warnings of a log. */
export interface TextResult {
  /** Reports in the order in which they begin. A report that the text has twice is listed once. */
  reports: OomReport[];
  /** Kills for memory that other programs logged, such as systemd-oomd. */
  others: OtherKill[];
  /** A sentence for each line of a report that could not be parsed, without control characters. */
  warnings: string[];
}

/**
 * Reads a whole log.
 *
 * @param input name of the log, copied to `OomReport.input`
 * @param clock time zone and year for time stamps without them
 */
export function readText(text: string, input: string, clock?: Clock): TextResult {
  const reports = new Map<string, OomReport>();
  const others: OtherKill[] = [];
  const assembler = new Assembler(
    (open) => {
      const report = toReport(open, { input, clock }, reports.size);
      if (!reports.has(report.id)) reports.set(report.id, report);
    },
    (kill) => others.push(kill),
  );
  let offset = 0;
  for (const raw of text.split('\n')) {
    const line = readLine(raw, offset);
    if (line) assembler.feed(line);
    offset += raw.length + 1;
  }
  assembler.end();
  return { reports: [...reports.values()], others, warnings: assembler.warnings };
}
