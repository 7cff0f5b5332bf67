/**
 * Finds the OOM reports in a log of any size: searches the bytes for the few words that every report has, and decodes only
 * the lines around them. Memory stays bounded whatever the log holds.
 */
import { Assembler } from './input/assemble.ts';
import type { LogLine } from './input/log-line.ts';
import type { OpenReport } from './input/open-report.ts';
import type { OtherKill } from './input/other-killers.ts';
import { readLine } from './input/prefix.ts';

/** Each chunk is searched once for every anchor, so it should stay in the processor's cache. */
const CHUNK = 448 * 1024;
/** Where a report's head is lost, its first lines are searched this far back. */
const LOOK_BACK = 64 * 1024;
/** No line of a report is longer. The rest of a longer line is skipped. */
const LONGEST_LINE = 64 * 1024;
const LF = 0x0a;

/** A longer anchor is faster to search for: more bytes are skipped between candidates. */
const HEAD = Buffer.from('invoked oom-killer: gfp_mask=');
const ANCHORS = [HEAD, Buffer.from('Killed process '), Buffer.from('Kernel panic - not syncing: ')];
/** What is left of reports that have lost their heads and ends. Searched for until the log has given one report. */
const LEFT_OVER = [
  'oom-kill:constraint=CONSTRAINT_',
  'ill process ',
  'oom_reaper: reaped ',
  'killed as a result of limit of ',
].map((words) => Buffer.from(words));
/** The beginning of a log is read line by line: logs that people paste are short, and cut in every way. */
const READ_WHOLE = 256 * 1024;
/** journalctl -o json writes a message that is not plain text as numbers: any of them may be a line of a report. */
const JSON_BYTES = [Buffer.from('"MESSAGE":['), Buffer.from('"MESSAGE" : [')];

/** All that may follow a kill, within SOON bytes. */
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
  readonly #buffer = Buffer.allocUnsafe(LOOK_BACK + LONGEST_LINE + CHUNK);
  #anchors = [...ANCHORS, ...LEFT_OVER];
  /** Position of the buffer's first byte in the log. */
  #offset = 0;
  /** The buffer is filled up to here. */
  #end = 0;
  /** The lines of the buffer are dealt with up to here. */
  #done = 0;
  /** The assembler has had the lines up to here, and gets none of them again. */
  #fed = 0;
  #json = false;
  #reported = false;
  /** In the middle of a line that is too long. */
  #skipping = false;
  /** Bytes so far. */
  bytes = 0;
  /** NUL bytes among the first 64 KiB: a text has none. */
  nuls = 0;

  constructor(emit: (report: OpenReport) => void, onOther?: (kill: OtherKill, from: LogLine) => void) {
    this.assembler = new Assembler((report) => {
      this.#reported = true;
      emit(report);
    }, onOther);
  }

  /** Where the caller writes the next bytes before it calls `filled`. Never empty. */
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

  /** Copies bytes from elsewhere. */
  push(chunk: Buffer): void {
    for (let at = 0; at < chunk.length; ) {
      const count = chunk.copy(this.space, 0, at);
      this.filled(count);
      at += count;
    }
  }

  /** The last line may lack its line feed. */
  end(): void {
    if (this.#end > this.#done && !this.#skipping) {
      this.#buffer[this.#end++] = LF;
      this.#lines(this.#end - 1);
    }
    this.assembler.end();
  }

  #sniff(bytes: Buffer): void {
    const first = bytes.subarray(0, 65536);
    for (const byte of first) if (byte === 0) this.nuls++;
    this.#json = first[0] === 0x7b;
    if (this.#json) this.#anchors.push(...JSON_BYTES);
  }

  /** @param from where the new bytes begin */
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
      if (this.#offset + this.#done < READ_WHOLE) {
        // Fed below, whatever it is.
      } else if (this.assembler.idle) {
        if (!this.#seek(whole, found)) break;
      } else if (this.assembler.waiting) {
        if (!this.#wait(whole)) continue;
      }
      const next = whole.indexOf(LF, this.#done);
      this.#feed(this.#done, next);
      this.#done = next + 1;
    }
    if (this.assembler.idle) this.#done = Math.max(this.#done, whole.length);
  }

  /** Moves to the next line with an anchor. Where that is not a report's head, feeds the lines before it as well. */
  #seek(whole: Buffer, found: number[]): boolean {
    const { nearest, head } = this.#nearestAnchor(whole, found);
    if (nearest === Number.POSITIVE_INFINITY) return false;
    const line = Math.max(whole.lastIndexOf(LF, nearest) + 1, this.#done);
    if (head) {
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

  /** @param found where each anchor was found last; updated, so that no stretch is searched twice for the same anchor */
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

  /** Moves to the next line that may follow a kill. Ends the open reports when there is none within SOON bytes. */
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
      // A kill may have rows and a choice before it, and its head may be lost.
      this.#feedAll(whole, this.#done, line);
      this.#done = line;
      return true;
    }
    if (until < whole.length) this.assembler.end();
    // Continue at a line's beginning, not in its middle.
    this.#done = until < whole.length ? whole.indexOf(LF, until) + 1 : until;
    return false;
  }

  #feed(from: number, to: number): void {
    this.#fed = to + 1;
    const raw = this.#buffer.toString('utf8', from, Math.min(to, from + LONGEST_LINE));
    const line = readLine(raw, this.#offset + from);
    if (line) this.assembler.feed(line);
  }

  /** Drops what is no longer needed: keeps the unfinished line and LOOK_BACK bytes before it. */
  #shift(): void {
    if (this.#end - this.#done > LONGEST_LINE) {
      this.#skipping = true;
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
