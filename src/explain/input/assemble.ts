/**
 * Puts lines together to reports, whatever other lines are between them: also when two reports are mixed, when lines are
 * lost, or when only the kill is left of one.
 */
import { printable } from '../../text/printable.ts';
import { looksImportant, parseLine } from '../lines/parse-line.ts';
import type { ParsedLine } from '../lines/parsed-line.ts';
import { fitness } from './fitness.ts';
import type { LogLine } from './log-line.ts';
import { OpenReport } from './open-report.ts';

/** A report ends after this many lines that are not of it; after its kill, when only the reaper's line may follow. */
const PATIENCE = 1000;
const PATIENCE_AFTER_KILL = 100;
const MOST_OPEN = 256;
const MOST_WARNINGS = 20;
const MOST_QUOTED = 160;

/** Kinds that may begin a report whose head is lost: nothing else in a kernel log looks like them. */
const HEADLESS = new Set<ParsedLine['is']>([
  'invoked',
  'summary',
  'killed',
  'chosen',
  'counter',
  'columns',
  'task',
  'task_in',
  'panic',
]);

export class Assembler {
  readonly #open: OpenReport[] = [];
  readonly #emit: (report: OpenReport) => void;
  /** Important lines that could not be parsed, while no report was open. */
  readonly warnings: string[] = [];

  constructor(emit: (report: OpenReport) => void) {
    this.#emit = emit;
  }

  /** No report is open: the caller need not feed lines that cannot begin one. */
  get idle(): boolean {
    return this.#open.length === 0;
  }

  /** Every open report has its outcome: only the reaper's line, other victims of a group or a new report may follow. */
  get waiting(): boolean {
    return this.#open.every(({ waiting }) => waiting);
  }

  feed(line: LogLine): void {
    for (const report of this.#open) report.idle++;
    for (const text of pieces(line.text)) this.#take(text, line);
    this.#finish();
  }

  end(): void {
    for (const report of this.#open.splice(0)) this.#emit(report);
  }

  #take(text: string, from: LogLine): void {
    const line = parseLine(text);
    if (line === undefined) {
      if (looksImportant(text)) this.#warn(`not as the kernel writes it: ${quote(text)}`);
      return;
    }
    if (line.is === 'invoked') {
      this.#begin(line, from);
      return;
    }
    const { best, rivals } = this.#owner(line, from);
    if (!best) {
      // A table beside an open report is of that one or of another that is open, never the beginning of a third.
      const stray = (line.is === 'columns' || line.is === 'task') && !this.waiting;
      if (HEADLESS.has(line.is) && !stray) this.#begin(line, from);
      return;
    }
    if (rivals > 0 && line.is !== 'frame' && line.is !== 'machine' && line.is !== 'trace') best.ambiguous++;
    // Two tables that began at the same time look alike, until a summary names a process that is in one of them only.
    if (line.is === 'summary' && best.tasks.size > 0 && !best.tasks.has(line.pid)) {
      const owner = this.#open.find((report) => !report.summary && report.tasks.has(line.pid));
      if (owner) best.swapTable(owner);
    }
    best.take(line);
  }

  /** The open report that the line fits best; of two that it fits equally, the one that had a line last. */
  #owner(line: ParsedLine, from: LogLine): { best: OpenReport | undefined; rivals: number } {
    let best: OpenReport | undefined;
    let most = 0;
    let rivals = 0;
    for (const report of this.#open) {
      const points = fitness(report, line, from);
      if (points === 0 || points < most || (points === most && best && report.idle > best.idle)) {
        if (points > 0 && points === most) rivals++;
        continue;
      }
      rivals = points === most ? rivals + 1 : 0;
      best = report;
      most = points;
    }
    return { best, rivals };
  }

  #begin(line: ParsedLine, from: LogLine): void {
    const report = new OpenReport(from);
    report.take(line);
    this.#open.push(report);
    if (this.#open.length > MOST_OPEN) this.#emit(this.#open.shift() as OpenReport);
  }

  /** Emits reports in the order in which they began. */
  #finish(): void {
    for (;;) {
      const [first] = this.#open;
      if (!first || first.idle < (first.ended ? PATIENCE_AFTER_KILL : PATIENCE)) return;
      this.#open.shift();
      this.#emit(first);
    }
  }

  #warn(sentence: string): void {
    const warnings = this.#open.at(-1)?.warnings ?? this.warnings;
    if (warnings.length < MOST_WARNINGS) warnings.push(sentence);
  }
}

/**
 * One printk can have many lines ("anon 1\nfile 2"), and formats that tell records apart keep them in one. A line feed in a
 * name is another matter: those lines stay whole.
 */
function pieces(text: string): string[] {
  if (
    !text.includes('\n') ||
    /oom-killer|^oom-kill:|ill(?:ed)? process|^\[|^oom_reaper|^Task|Comm: |mems_allowed=/.test(text)
  )
    return [text];
  return text.split('\n');
}

function quote(text: string): string {
  const shown = text.length > MOST_QUOTED ? `${text.slice(0, MOST_QUOTED)}…` : text;
  return `"${printable(shown)}"`;
}
