/**
 * Finds the OOM reports in a log of any size: searches the bytes for the few phrases that every report has (anchors),
 * and decodes only the lines around them. Memory use does not grow with the log.
 */
import { Anchors, afterKill } from './anchors.ts';
import { Assembler } from './input/assemble.ts';
import type { LogLine } from './input/log-line.ts';
import type { OpenReport } from './input/open-report.ts';
import { Order, PARTED } from './input/order.ts';
import type { OtherKill } from './input/other-killers.ts';
import { Records } from './input/records.ts';
import { LongLine } from './long-line.ts';
import type { Phrases } from './phrases.ts';

/** Each chunk should fit into the cache of the CPU. */
const CHUNK = 448 * 1024;
/** When an anchor is not the head of a report ("invoked oom-killer"), this many bytes before it are parsed as well. */
const LOOK_BACK = 64 * 1024;
/** Longer than any line of a report. A longer line is cut here, unless it is JSON. */
const LONGEST_LINE = 64 * 1024;
const LF = 0x0a;

/** Every line of the first 256 KiB is parsed: pasted logs are short, and any of their lines may be missing. */
const READ_WHOLE = 256 * 1024;
/** Lines that may follow a kill come within this many bytes. */
const SOON = 16 * 1024;

export class Scan {
  readonly assembler: Assembler;
  readonly #records = new Records();
  readonly #order = new Order((line) => this.assembler.feed(line));
  readonly #buffer = Buffer.allocUnsafe(LOOK_BACK + LONGEST_LINE + CHUNK);
  #anchors = new Anchors(false);
  #afterKill: Phrases = afterKill(false);
  /** Position of the next anchor in the buffer, if it is known and not before `#done`. */
  #next = -1;
  /** Position of the buffer's first byte in the log. */
  #offset = 0;
  /** End of the data in the buffer. */
  #end = 0;
  /** End of the lines that were searched or parsed. */
  #done = 0;
  /** End of the lines that were passed to the assembler; each line is passed at most once. */
  #fed = 0;
  /** In a log that has its newest line first: the lines up to here (in the log) may belong to the last anchor. */
  #near = 0;
  /** The records of the log have several lines each: the time of a message may stand some lines before it. */
  #several = false;
  /** The line that is longer than LONGEST_LINE, of which the rest has not come. */
  #long: LongLine | undefined;
  /** The buffer begins within a line whose beginning was passed over. */
  #landing = false;
  #warned = false;
  /** Number of bytes received, or passed over. */
  bytes = 0;
  /** Number of NUL bytes among the first 64 KiB. A text file has no NUL byte. */
  nuls = 0;

  constructor(emit: (report: OpenReport) => void, onOther?: (kill: OtherKill, from: LogLine) => void) {
    this.assembler = new Assembler(emit, onOther);
  }

  /** The part of the buffer into which the caller writes the next bytes before it calls `filled`. Never empty. */
  get space(): Buffer {
    return this.#buffer.subarray(this.#end);
  }

  /** The phrases for a search of the caller, whose result goes to `skipTo()`. */
  get phrases(): readonly string[] {
    return this.#anchors.phrases;
  }

  /** Position in the log of the line that is not complete yet. */
  get unread(): number {
    return this.#offset + this.#done;
  }

  /** True when the bytes up to the next anchor may be passed over. */
  get canSkip(): boolean {
    const near = Math.max(READ_WHOLE, this.#near);
    return this.assembler.idle && !this.#records.open && !this.#long && !this.#landing && this.bytes >= near;
  }

  filled(count: number): void {
    const fresh = this.#buffer.subarray(this.#end, this.#end + count);
    if (this.bytes === 0) this.#sniff(fresh);
    this.bytes += count;
    this.#end += count;
    this.#lines(this.#end - count);
    this.#shift();
  }

  /** Scans a copy of `chunk`. */
  push(chunk: Buffer): void {
    for (let at = 0; at < chunk.length; ) {
      const count = chunk.copy(this.space, 0, at);
      this.filled(count);
      at += count;
    }
  }

  /**
   * Passes over the bytes before a line, except for those that may belong to it. The caller must know that no anchor begins
   * between `unread` and that line, and `canSkip` must be true.
   *
   * @param line position of the line in the log @param phrase which of `phrases` the line has; -1: none
   */
  skipTo(line: number, phrase: number): void {
    const before = this.#several || this.#order.backward || this.#anchors.isLate(phrase) ? LOOK_BACK : 1;
    const position = line - before;
    if (position <= this.bytes) return;
    this.#offset = position;
    this.bytes = position;
    this.#end = 0;
    this.#done = 0;
    this.#fed = 0;
    this.#landing = true;
  }

  /** Parses the last line, which may lack its line feed, and ends all open reports. */
  end(): void {
    if (this.#long) this.#endLong(false);
    else if (this.#end > this.#done && !this.#landing) {
      this.#buffer[this.#end++] = LF;
      this.#lines(this.#end - 1);
    }
    for (const line of this.#records.end()) this.#order.push(line);
    this.#order.flush();
    this.assembler.end();
    if (this.#order.parted)
      this.assembler.warnings.push(`the log has its newest line first and is very long: ${PARTED}`);
  }

  #sniff(bytes: Buffer): void {
    const first = bytes.subarray(0, 65536);
    for (const byte of first) if (byte === 0) this.nuls++;
    this.#several = /^\s*(?:[[{]\s*\n|__CURSOR=)/.test(first.toString('latin1', 0, 64));
    if (first[0] !== 0x7b) return;
    this.#anchors = new Anchors(true);
    this.#afterKill = afterKill(true);
  }

  /** @param from position of the new bytes in the buffer */
  #lines(from: number): void {
    const buffer = this.#buffer.subarray(0, this.#end);
    if ((this.#long || this.#landing) && !this.#endOfLine(buffer, from)) return;
    const end = buffer.lastIndexOf(LF) + 1;
    const whole = this.#buffer.subarray(0, Math.max(end, this.#done));
    this.#next = -1;
    while (this.#done < whole.length) {
      const place = this.#offset + this.#done;
      if (place >= READ_WHOLE) this.#order.decide();
      if (place < READ_WHOLE || place < this.#near || this.#records.open) {
        // At the beginning of the log, and within a record of several lines, every line is fed below.
      } else if (this.assembler.idle) {
        if (!this.#seek(whole)) break;
      } else if (this.assembler.waiting) {
        if (!this.#wait(whole)) continue;
      }
      const next = whole.indexOf(LF, this.#done);
      this.#feed(this.#done, next);
      this.#done = next + 1;
    }
    if (this.assembler.idle && !this.#records.open) this.#done = Math.max(this.#done, whole.length);
  }

  /** Moves to the next line with an anchor. Feeds the lines before it too, when they may belong to it. */
  #seek(whole: Buffer): boolean {
    if (this.#next < this.#done) this.#next = this.#anchors.find(whole, this.#done);
    if (this.#next < 0) {
      this.#next = Number.POSITIVE_INFINITY;
      return false;
    }
    if (this.#next === Number.POSITIVE_INFINITY) return false;
    const line = Math.max(whole.lastIndexOf(LF, this.#next) + 1, this.#done);
    if (this.#order.backward) this.#turn(line);
    if (this.#anchors.isLate(this.#anchors.which(whole, this.#next)) || this.#several || this.#order.backward) {
      const back = Math.max(this.#fed, line - LOOK_BACK);
      const from = back === this.#fed ? back : whole.indexOf(LF, back) + 1;
      this.#feedAll(whole, from, line);
    }
    this.#done = line;
    return true;
  }

  /** In a log that has its newest line first: the lines after an anchor belong to its report, too. */
  #turn(line: number): void {
    // No report continues across lines that were passed over.
    if (this.#order.isFull && line - LOOK_BACK > this.#fed) {
      this.#order.flush();
      this.assembler.end();
    }
    this.#near = this.#offset + line + LOOK_BACK;
  }

  #feedAll(whole: Buffer, from: number, to: number): void {
    for (let at = from; at < to; ) {
      const next = whole.indexOf(LF, at);
      this.#feed(at, next);
      at = next + 1;
    }
  }

  /** Moves to the next line that may follow a kill. Ends the open reports when no such line comes within SOON bytes. */
  #wait(whole: Buffer): boolean {
    const until = Math.min(whole.length, Math.max(this.#done, this.#fed + SOON));
    const found = this.#afterKill.find(whole, this.#done, until);
    if (found >= 0) {
      const line = Math.max(whole.lastIndexOf(LF, found) + 1, this.#done);
      // The lines before a second kill may be task rows or "Kill process" lines of a report without a head.
      this.#feedAll(whole, this.#done, line);
      this.#done = line;
      return true;
    }
    if (until < whole.length) this.assembler.end();
    // Continue at the beginning of a line.
    this.#done = until < whole.length ? whole.indexOf(LF, until) + 1 : until;
    return false;
  }

  #feed(from: number, to: number): void {
    this.#fed = to + 1;
    if (to - from > LONGEST_LINE) {
      this.#begin(from, to);
      this.#endLong(true);
      return;
    }
    const raw = this.#buffer.toString('utf8', from, to);
    for (const line of this.#records.push(raw, this.#offset + from)) this.#order.push(line);
  }

  /** Reads up to the end of a line that is too long, or that was passed over. @returns false: the end has not come */
  #endOfLine(buffer: Buffer, from: number): boolean {
    const next = buffer.indexOf(LF, from);
    this.#long?.push(buffer.subarray(from, next < 0 ? this.#end : next));
    this.#done = next < 0 ? this.#end : next + 1;
    if (next < 0) return false;
    if (this.#long) this.#endLong(true);
    // The lines before this place are not known, or not near.
    this.#fed = this.#done;
    this.#landing = false;
    return true;
  }

  /** Begins to read a line that is too long. */
  #begin(from: number, to: number): void {
    const begin = this.#buffer.subarray(from, Math.min(to, from + LONGEST_LINE));
    this.#long = new LongLine(this.#offset + from, begin, (line) => this.#order.push(line));
    this.#long.push(this.#buffer.subarray(from + begin.length, to));
  }

  #endLong(whole: boolean): void {
    const problem = this.#long?.end(whole);
    this.#long = undefined;
    if (problem === undefined || this.#warned) return;
    this.#warned = true;
    this.assembler.warnings.push(problem);
  }

  /** Makes room in the buffer: keeps the unfinished line and LOOK_BACK bytes before it. */
  #shift(): void {
    if (this.#end - this.#done > LONGEST_LINE) {
      this.#begin(this.#done, this.#end);
      this.#done = this.#end;
    }
    const keep = Math.max(0, this.#done - LOOK_BACK);
    if (keep === 0) return;
    this.#buffer.copyWithin(0, keep, this.#end);
    this.#offset += keep;
    this.#end -= keep;
    this.#done -= keep;
    this.#fed = Math.max(0, this.#fed - keep);
  }
}
