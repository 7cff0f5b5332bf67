/**
 * Finds the OOM reports in a log of any size: searches the bytes for the few phrases that every report has (anchors),
 * and decodes only the lines around them. Memory use does not grow with the log.
 */
import { Assembler } from './input/assemble.ts';
import type { LogLine } from './input/log-line.ts';
import type { OpenReport } from './input/open-report.ts';
import type { OtherKill } from './input/other-killers.ts';
import { Records } from './input/records.ts';

/** Each chunk is searched once for every anchor, so the chunk should fit into the cache of the CPU. */
const CHUNK = 448 * 1024;
/** When an anchor is not the head of a report ("invoked oom-killer"), this many bytes before it are parsed as well. */
const LOOK_BACK = 64 * 1024;
/** Longer than any line of a report. A longer line is cut here. */
const LONGEST_LINE = 64 * 1024;
const LF = 0x0a;

/** Buffer.indexOf() is faster for a longer anchor, because it can skip more bytes at a time. */
const HEAD = Buffer.from('invoked oom-killer: gfp_mask=');
const ANCHORS = [HEAD, Buffer.from('Killed process '), Buffer.from('Kernel panic - not syncing: ')];
/** Anchors of reports that lack both head and kill line. They are searched for until the first report is found. */
const LEFT_OVER = [
  'oom-kill:constraint=CONSTRAINT_',
  'ill process ',
  'oom_reaper: reaped ',
  'killed as a result of limit of ',
].map((words) => Buffer.from(words));
/** Every line of the first 256 KiB is parsed: pasted logs are short, and any of their lines may be missing. */
const READ_WHOLE = 256 * 1024;
/** journalctl -o json writes a message with unprintable characters as an array of bytes, where no anchor can match. */
const JSON_BYTES = [Buffer.from('"MESSAGE":['), Buffer.from('"MESSAGE" : [')];

/** Anchors of the lines that may follow a kill within SOON bytes. */
const AFTER_KILL = [
  Buffer.from('oom_reaper: '),
  Buffer.from('memory.oom.group'),
  Buffer.from('Kernel panic'),
  Buffer.from('ill process '),
  Buffer.from('Killed process '),
  HEAD,
];
const SOON = 16 * 1024;

export class Scan {
  readonly assembler: Assembler;
  readonly #records = new Records();
  readonly #buffer = Buffer.allocUnsafe(LOOK_BACK + LONGEST_LINE + CHUNK);
  #anchors = [...ANCHORS, ...LEFT_OVER];
  /** Position of the buffer's first byte in the log. */
  #offset = 0;
  /** End of the data in the buffer. */
  #end = 0;
  /** End of the lines that were searched or parsed. */
  #done = 0;
  /** End of the lines that were passed to the assembler; each line is passed at most once. */
  #fed = 0;
  #json = false;
  /** The records of the log have several lines each: the time of a message may stand some lines before it. */
  #several = false;
  #reported = false;
  /** True within a line that is longer than LONGEST_LINE: its rest is ignored. */
  #skipping = false;
  #warned = false;
  /** Number of bytes received. */
  bytes = 0;
  /** Number of NUL bytes among the first 64 KiB. A text file has no NUL byte. */
  nuls = 0;

  constructor(emit: (report: OpenReport) => void, onOther?: (kill: OtherKill, from: LogLine) => void) {
    this.assembler = new Assembler((report) => {
      this.#reported = true;
      emit(report);
    }, onOther);
  }

  /** The part of the buffer into which the caller writes the next bytes before it calls `filled`. Never empty. */
  get space(): Buffer {
    return this.#buffer.subarray(this.#end);
  }

  filled(count: number): void {
    const fresh = this.#buffer.subarray(this.#end, this.#end + count);
    if (this.bytes === 0) this.#sniff(fresh);
    this.bytes += count;
    this.#end += count;
    this.#lines(fresh.byteOffset - this.#buffer.byteOffset);
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

  /** Parses the last line, which may lack its line feed, and ends all open reports. */
  end(): void {
    if (this.#end > this.#done && !this.#skipping) {
      this.#buffer[this.#end++] = LF;
      this.#lines(this.#end - 1);
    }
    for (const line of this.#records.end()) this.assembler.feed(line);
    this.assembler.end();
  }

  #sniff(bytes: Buffer): void {
    const first = bytes.subarray(0, 65536);
    for (const byte of first) if (byte === 0) this.nuls++;
    this.#json = first[0] === 0x7b;
    this.#several = /^\s*(?:[[{]\s*\n|__CURSOR=)/.test(first.toString('latin1', 0, 64));
    if (this.#json) this.#anchors.push(...JSON_BYTES);
  }

  /** @param from position of the new bytes in the buffer */
  #lines(from: number): void {
    if (this.#reported) this.#anchors = this.#anchors.filter((anchor) => !LEFT_OVER.includes(anchor));
    const buffer = this.#buffer.subarray(0, this.#end);
    if (this.#skipping) {
      const next = buffer.indexOf(LF, from);
      if (next < 0) {
        this.#done = this.#end;
        return;
      }
      this.#skipping = false;
      this.#done = next + 1;
    }
    const end = buffer.lastIndexOf(LF) + 1;
    const whole = this.#buffer.subarray(0, Math.max(end, this.#done));
    const found = this.#anchors.map(() => -1);
    while (this.#done < whole.length) {
      if (this.#offset + this.#done < READ_WHOLE || this.#records.open) {
        // At the beginning of the log, and within a record of several lines, every line is fed below.
      } else if (this.assembler.idle) {
        if (!this.#seek(whole, found)) break;
      } else if (this.assembler.waiting) {
        if (!this.#wait(whole)) continue;
      }
      const next = whole.indexOf(LF, this.#done);
      this.#feed(this.#done, next);
      this.#done = next + 1;
    }
    if (this.assembler.idle && !this.#records.open) this.#done = Math.max(this.#done, whole.length);
  }

  /**
   * Moves to the next line with an anchor. When the anchor is not the head of a report, feeds the lines before it too.
   */
  #seek(whole: Buffer, found: number[]): boolean {
    const { nearest, head } = this.#nearestAnchor(whole, found);
    if (nearest === Number.POSITIVE_INFINITY) return false;
    const line = Math.max(whole.lastIndexOf(LF, nearest) + 1, this.#done);
    if (head && !this.#several) {
      this.#done = line;
      return true;
    }
    const back = Math.max(this.#fed, line - LOOK_BACK);
    const from = back === this.#fed ? back : whole.indexOf(LF, back) + 1;
    this.#feedAll(whole, from, line);
    this.#done = line;
    return true;
  }

  #feedAll(whole: Buffer, from: number, to: number): void {
    for (let at = from; at < to; ) {
      const next = whole.indexOf(LF, at);
      this.#feed(at, next);
      at = next + 1;
    }
  }

  /** @param found last position of each anchor; updated, so that no bytes are searched twice for the same anchor */
  #nearestAnchor(whole: Buffer, found: number[]): { nearest: number; head: boolean } {
    let nearest = Number.POSITIVE_INFINITY;
    let head = false;
    for (const [i, anchor] of this.#anchors.entries()) {
      let at = found[i] as number;
      if (at !== Number.POSITIVE_INFINITY && at < this.#done) {
        at = whole.indexOf(anchor, this.#done);
        if (at < 0) at = Number.POSITIVE_INFINITY;
        found[i] = at;
      }
      if (at >= nearest) continue;
      nearest = at;
      head = anchor === HEAD || JSON_BYTES.includes(anchor);
    }
    return { nearest, head };
  }

  /** Moves to the next line that may follow a kill. Ends the open reports when no such line comes within SOON bytes. */
  #wait(whole: Buffer): boolean {
    const until = Math.min(whole.length, Math.max(this.#done, this.#fed + SOON));
    const window = whole.subarray(this.#done, until);
    let nearest = -1;
    for (const anchor of this.#json ? [...AFTER_KILL, ...JSON_BYTES] : AFTER_KILL) {
      const at = (nearest < 0 ? window : window.subarray(0, nearest)).indexOf(anchor);
      if (at >= 0) nearest = at;
    }
    if (nearest >= 0) {
      const line = Math.max(whole.lastIndexOf(LF, this.#done + nearest) + 1, this.#done);
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
    const raw = this.#buffer.toString('utf8', from, Math.min(to, from + LONGEST_LINE));
    for (const line of this.#records.push(raw, this.#offset + from)) this.assembler.feed(line);
  }

  /** A line of JSON that is too long may be the answer of a log server, with a whole report in it. */
  #warnOfLength(): void {
    const first = this.#buffer[this.#done];
    if (this.#warned || (first !== 0x7b && first !== 0x5b)) return;
    this.#warned = true;
    const place = this.#offset + this.#done;
    this.assembler.warnings.push(
      `a line of JSON at byte ${place} is longer than ${LONGEST_LINE / 1024} KiB and was not read; write it over several lines, for example with "jq ."`,
    );
  }

  /** Makes room in the buffer: keeps the unfinished line and LOOK_BACK bytes before it. */
  #shift(): void {
    if (this.#end - this.#done > LONGEST_LINE) {
      this.#skipping = true;
      this.#warnOfLength();
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
