/**
 * Assembles parsed lines to reports. Other lines may stand between them, the lines of two reports may be mixed, lines
 * may be missing, wrapped or quoted, and a report may consist of the kill line only.
 */
import { printable } from '../../text/printable.ts';
import type { MemoryLine } from '../lines/memory-lines.ts';
import { looksImportant, parseLine } from '../lines/parse-line.ts';
import type { ParsedLine } from '../lines/parsed-line.ts';
import { Before } from './before.ts';
import { FailedAllocation } from './failed-allocation.ts';
import { fitness } from './fitness.ts';
import { bare, joined, type Unfinished } from './folded.ts';
import { isPlausible, Locator } from './locate.ts';
import type { LogLine } from './log-line.ts';
import { OpenReport } from './open-report.ts';
import { type OtherKill, otherKill } from './other-killers.ts';
import { pieces } from './pieces.ts';
import { stampFrom } from './prefix.ts';

/** A report is closed after this many lines in a row that do not belong to it … */
const PATIENCE = 1000;
/** … or this many after its kill, when only the line of oom_reaper may follow. */
const PATIENCE_AFTER_KILL = 100;
const MOST_OPEN = 256;
const MOST_WARNINGS = 20;
const MOST_QUOTED = 160;
/** The last kills of closed reports, whose oom_reaper line may still come: it must not begin a new report. */
const MOST_KILLED = 256;

/** Matches a line that ends in the middle of a kernel message. */
const HALF =
  /(?:[Oo]ut of memory(?: \([^)]*\))?:(?: [Kk]ill(?:ed)?(?: process(?: \d+)?)?)?|invoked oom-killer:?|Tasks? in \/\S*(?: (?:killed|are)\b[a-z ]*)?)\s*$/;

/** Kinds of lines that only OOM reports have. Each of them may begin a report, because its head may be missing. */
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
  'no_victim',
  'group',
  'reaped',
]);

export class Assembler {
  #open: OpenReport[] = [];
  readonly #emit: (report: OpenReport) => void;
  readonly #locator = new Locator();
  readonly #failed = new FailedAllocation(() => this.#dropTentative());
  readonly #onOther: ((kill: OtherKill, from: LogLine) => void) | undefined;
  /** The last line that was parsed, or that may be the first part of a wrapped line. */
  #last: (Unfinished & { report: OpenReport | undefined; from: LogLine; prefix: string }) | undefined;
  readonly #killed: string[] = [];
  readonly #before = new Before();
  /** Sentences about lines that could not be parsed while no report was open. */
  readonly warnings: string[] = [];

  /** @param onOther called for each kill that another program logged, such as systemd-oomd */
  constructor(emit: (report: OpenReport) => void, onOther?: (kill: OtherKill, from: LogLine) => void) {
    this.#emit = emit;
    this.#onOther = onOther;
  }

  /** True when no report is open: the caller may skip lines that cannot begin a report. */
  get idle(): boolean {
    return this.#open.every(({ tentative }) => tentative);
  }

  /**
   * True when every open report has its outcome: only oom_reaper, more victims of a group or a new report may follow.
   */
  get waiting(): boolean {
    return this.#open.every(({ waiting, tentative }) => waiting || tentative);
  }

  feed(line: LogLine): void {
    for (const report of this.#open) report.idle++;
    this.#before.next(line.text);
    for (const text of pieces(line.text)) this.#take(text, line);
    this.#finish();
  }

  end(): void {
    this.#forget();
    for (const report of this.#open.splice(0)) this.#close(report);
  }

  #take(text: string, from: LogLine): void {
    if (this.#failed.begins(text, from)) return;
    const plain = parseLine(text);
    if (plain && isPlausible(plain)) {
      this.#enter(plain, text, from, '');
      return;
    }
    const found = this.#locator.locate(text);
    if (found) {
      this.#enter(found.line, found.text, stampFrom(found.prefix, from), found.prefix);
      return;
    }
    const other = this.#onOther && otherKill(text);
    if (other) {
      this.#onOther?.(other, from);
      return;
    }
    if (this.#continue(text)) return;
    if (plain) this.#enter(plain, text, from, '');
    else this.#unparsed(text, from);
  }

  /** Joins a line to the previous line, if the two are parts of one wrapped line. */
  #continue(text: string): boolean {
    const last = this.#last;
    if (!last) return false;
    const rest = bare(text);
    const whole = joined(last, rest);
    if (!whole) return false;
    if (last.line && last.report) {
      last.report.amend(whole.line);
      last.report.texts.splice(-1, 1, whole.text);
      this.#last = { ...last, ...whole };
    } else {
      this.#last = undefined;
      this.#enter(whole.line, whole.text, last.from, last.prefix);
    }
    return true;
  }

  #unparsed(text: string, from: LogLine): void {
    this.#forget();
    // The beginning of a line that may be wrapped.
    const plain = bare(text);
    const half =
      /(?:Memory cgroup )?[Oo]ut of memory|Tasks? in \/|invoked oom-killer|memory(?:\+swap)?: usage|oom-kill:|CPU: \d+ (?:UID: \d+ )?PID: \d/.exec(
        plain,
      );
    if (!half) {
      if (looksImportant(text)) this.#warn(unreadable(text));
      return;
    }
    // A process name stands before "invoked oom-killer"; before the other phrases stands only a prefix.
    const start = half[0].startsWith('invoked') ? 0 : half.index;
    const prefix = plain.slice(0, start);
    this.#last = { text: plain.slice(start), line: undefined, report: undefined, from, prefix };
  }

  #enter(line: ParsedLine, text: string, from: LogLine, prefix: string): void {
    if (this.#failed.owns(line, from)) return;
    if (this.#isCopy(line, text, from, prefix)) return;
    if (this.#last?.text !== text) this.#forget();
    const report = this.#place(line, from);
    report?.texts.push(text);
    this.#last = { text, line, report, from, prefix };
  }

  /** Drops the last line. Gives a warning when it was the first part of a wrapped line whose rest did not come. */
  #forget(): void {
    const last = this.#last;
    this.#last = undefined;
    if (!last || last.line) return;
    if (HALF.test(last.text)) this.#warn(`the rest of a line of a report is missing: ${quote(last.text)}`);
    else if (looksImportant(last.text)) this.#warn(unreadable(last.text));
  }

  /** Some copied logs have each line twice: the same text with the same time stamp. */
  #isCopy(line: ParsedLine, text: string, from: LogLine, prefix: string): boolean {
    const last = this.#last;
    if (last?.text !== text || line.is === 'stat' || line.is === 'frame') return false;
    if (from.sinceBootUs !== null) return last.from.sinceBootUs === from.sinceBootUs;
    if (from.stamp !== null) return last.from.stamp?.text === from.stamp.text;
    return prefix.length > 8 && last.prefix === prefix;
  }

  /** @returns the report that the line belongs to */
  #place(line: ParsedLine, from: LogLine): OpenReport | undefined {
    if (line.is === 'sysrq') this.#before.sysrq();
    if (line.is === 'invoked') return this.#begin(line, from);
    const isLate = line.is === 'reaped' && this.#killed.includes(`${line.pid} ${line.comm}`);
    if (isLate && !this.#open.some((report) => fitness(report, line, from) > 0)) return undefined;
    const { best, rivals } = this.#owner(line, from);
    if (!best) return this.#headless(line, from);
    if (rivals > 0 && !['frame', 'trace', 'machine', 'hardware'].includes(line.is)) best.ambiguous++;
    // Rows of two task tables look alike. A summary shows which table is which: its victim is in one of them only.
    if (line.is === 'summary' && line.pid !== null && best.tasks.size > 0 && !best.tasks.has(line.pid)) {
      const { pid } = line;
      const owner = this.#open.find((report) => !report.summary && report.tasks.has(pid));
      if (owner) best.swapTable(owner);
    }
    best.take(line);
    if (isEvidence(line)) best.tentative = false;
    return best;
  }

  #headless(line: ParsedLine, from: LogLine): OpenReport | undefined {
    // While a report is open, a row or a title of a task table belongs to an open report: it never begins a new one.
    const stray = (line.is === 'columns' || line.is === 'task') && !this.waiting;
    if (stray) return undefined;
    this.#before.stray(line);
    if (isEvidence(line)) return this.#begin(line, from);
    if (!this.waiting || !isTentative(line)) return undefined;
    // A figure that the tentative report already has belongs to the next Mem-Info block, which begins with its title.
    const again = line.is === 'memory' && line.info.of !== 'title';
    if (again && this.#open.some(({ tentative, idle }) => tentative && idle < 30)) return undefined;
    const report = this.#begin(line, from);
    report.tentative = true;
    return report;
  }

  /** The open report that the line fits best. Among equally good ones, the report that got a line most recently. */
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

  #dropTentative(): void {
    this.#open = this.#open.filter(({ tentative }) => !tentative);
  }

  #begin(line: ParsedLine, from: LogLine): OpenReport {
    this.#dropTentative();
    const report = new OpenReport(from);
    report.take(line);
    this.#before.addTo(report);
    this.#open.push(report);
    if (this.#open.length > MOST_OPEN) this.#close(this.#open.shift() as OpenReport);
    return report;
  }

  /** Closes finished reports, in the order in which they began. */
  #finish(): void {
    for (;;) {
      const [first] = this.#open;
      if (!first || first.idle < (first.ended ? PATIENCE_AFTER_KILL : PATIENCE)) return;
      this.#open.shift();
      this.#close(first);
    }
  }

  #close(report: OpenReport): void {
    if (this.#last?.report === report) this.#last = undefined;
    if (report.tentative) return;
    const { invoked, cpu } = report;
    if (invoked && !isPlausible(invoked)) {
      const own = cpu && invoked.comm.endsWith(cpu.comm) ? cpu.comm : this.#locator.nameIn(invoked.comm);
      report.invoked = { ...invoked, comm: own ?? cpu?.comm ?? '' };
    }
    for (const { pid, comm } of report.kills) this.#killed.push(`${pid} ${comm}`);
    this.#killed.splice(0, this.#killed.length - MOST_KILLED);
    this.#emit(report);
  }

  #warn(sentence: string): void {
    const warnings = this.#open.at(-1)?.warnings ?? this.warnings;
    if (warnings.length < MOST_WARNINGS) warnings.push(sentence);
  }
}

/** True for a line that only an OOM report has. */
const isEvidence = (line: ParsedLine) =>
  HEADLESS.has(line.is) || (line.is === 'frame' && /^(?:dump_header|oom_kill_process)\b/.test(line.name));

/** True for a line that an OOM report may have, but other kernel messages as well, such as a failed allocation. */
const isTentative = (line: ParsedLine) =>
  (line.is === 'memory' && !isMinor(line.info)) || ['frame', 'trace', 'cpu', 'stats_of'].includes(line.is);

/** Lines at the end of Mem-Info. They never begin a report. */
const isMinor = (info: MemoryLine) =>
  info.of === 'other' ||
  info.of === 'swap_cache_stats' ||
  (info.of === 'count' && ['highmem', 'cma_reserved', 'hwpoisoned'].includes(info.what));

const unreadable = (text: string) => `a line of a report could not be read: ${quote(text)}`;

function quote(text: string): string {
  const shown = text.length > MOST_QUOTED ? `${text.slice(0, MOST_QUOTED)}…` : text;
  return `"${printable(shown)}"`;
}
