/** Explains a log that is in memory as text. Uses no Node API, so it runs in a browser as well. */
import type { OomOtherKill } from '../model/oom-other-kill.ts';
import type { OomReport } from '../model/oom-report.ts';
import { Assembler } from './input/assemble.ts';
import { Order, PARTED } from './input/order.ts';
import { Records } from './input/records.ts';
import type { Clock } from './input/stamp.ts';
import { toOtherKill } from './other-kill.ts';
import { toReport } from './report.ts';

/** The reports, other kills and warnings of a log. */
export interface TextResult {
  /** Reports in the order in which they begin. A report that the text has twice is listed once. */
  reports: OomReport[];
  /** Messages about kills for memory that other programs logged, such as systemd-oomd. Equal ones are listed once. */
  others: OomOtherKill[];
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
  const reader = new TextReader(input, clock);
  reader.push(text);
  return reader.end();
}

/** Reads a log that comes in pieces. */
export class TextReader {
  readonly #reports = new Map<string, OomReport>();
  readonly #others = new Map<string, OomOtherKill>();
  readonly #assembler: Assembler;
  readonly #records = new Records();
  readonly #order = new Order((line) => this.#assembler.feed(line));
  /** A line whose end has not come yet. */
  #rest = '';
  #offset = 0;

  /**
   * @param input name of the log
   * @param clock time zone and year for time stamps without them
   * @param lines copy the lines of each report to `OomReport.lines`
   */
  constructor(input: string, clock?: Clock, lines = false) {
    const context = { input, clock, lines };
    this.#assembler = new Assembler(
      (open) => {
        const report = toReport(open, context, this.#reports.size);
        if (!this.#reports.has(report.id)) this.#reports.set(report.id, report);
      },
      (kill, from) => {
        const event = toOtherKill(kill, from, context, this.#others.size);
        if (!this.#others.has(event.id)) this.#others.set(event.id, event);
      },
    );
  }

  /** Reads the next piece. A line may continue in the piece after it. */
  push(text: string): void {
    const lines = (this.#rest + text).split('\n');
    this.#rest = lines.pop() ?? '';
    for (const line of lines) this.#feed(line);
  }

  /** Reads the last line, which may lack its line feed, and ends all open reports. */
  end(): TextResult {
    if (this.#rest !== '') this.#feed(this.#rest);
    for (const line of this.#records.end()) this.#order.push(line);
    this.#order.flush();
    this.#assembler.end();
    if (this.#order.parted)
      this.#assembler.warnings.push(`the log has its newest line first and is very long: ${PARTED}`);
    return {
      reports: [...this.#reports.values()],
      others: [...this.#others.values()],
      warnings: this.#assembler.warnings,
    };
  }

  #feed(raw: string): void {
    for (const line of this.#records.push(raw, this.#offset)) this.#order.push(line);
    this.#offset += bytesOf(raw) + 1;
  }
}

const utf8 = new TextEncoder();

const bytesOf = (text: string) => (/^[ -~\t]*$/.test(text) ? text.length : utf8.encode(text).length);
