/** Explains a log that is in memory as text. Needs nothing of Node: a browser can run it. */
import type { OomReport } from '../model/oom-report.ts';
import { Assembler } from './input/assemble.ts';
import type { OtherKill } from './input/other-killers.ts';
import { readLine } from './input/prefix.ts';
import type { Clock } from './input/stamp.ts';
import { toReport } from './report.ts';

/** What a log says. */
export interface TextResult {
  /** In the order in which they begin; a kill that the text has twice is in it once. */
  reports: OomReport[];
  /** Kills that other programs say they did. */
  others: OtherKill[];
  /** Important lines that could not be read, safe to show. */
  warnings: string[];
}

/**
 * Reads a whole log.
 *
 * @param input what the log is called, for `OomReport.input`
 * @param clock zone and year for time stamps that lack them
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
