/**
 * Finds the OOM reports in a log of any size: bytes are searched for the few words that every report has, and only what is
 * around them is decoded and read. Memory is bounded whatever the log holds.
 */
import { Assembler } from './assemble.ts';
import type { OpenReport } from './open-report.ts';
import { readLine } from './prefix.ts';

/** Searched several times over, so it should stay in the processor's cache. */
const CHUNK = 448 * 1024;
/** Where a report's head is lost, its beginning is sought this far back. */
const LOOK_BACK = 64 * 1024;
/** No line of a report is longer; of those that are, the rest is passed over. */
const LONGEST_LINE = 64 * 1024;
const LF = 0x0a;

/** Longer is faster: more bytes are skipped where it is not. */
const HEAD = Buffer.from('invoked oom-killer: gfp_mask=');
const ANCHORS = [HEAD, Buffer.from('Killed process '), Buffer.from('Kernel panic - not syncing: ')];
/** All that is left of a report that has lost its head and its end: sought in a log that has nothing better. */
const LEFT_OVER = Buffer.from('oom-kill:constraint=CONSTRAINT_');
/** journalctl -o json writes a message that is not plain text as numbers: any of them may be of a report. */
const JSON_BYTES = [Buffer.from('"MESSAGE":['), Buffer.from('"MESSAGE" : [')];

/** After a kill there is only this to come of it, and it comes soon: looked for like the others, and no further than this. */
const AFTER_KILL = [
  Buffer.from('oom_reaper: '),
  Buffer.from('memory.oom.group'),
  Buffer.from('Kernel panic'),
  Buffer.from('Killed process '),
  HEAD,
];
const SOON = 16 * 1024;

export class Scan {
  readonly assembler: Assembler;
  readonly #buffer = Buffer.allocUnsafe(LOOK_BACK + LONGEST_LINE + CHUNK);
  #anchors = [...ANCHORS, LEFT_OVER];
  /** Of the buffer's first byte. */
  #offset = 0;
  /** Up to where the buffer is filled, and up to where its lines have been dealt with. */
  #end = 0;
  #done = 0;
  /** Up to where lines have been shown to the assembler: they are not shown twice. */
  #fed = 0;
  #json = false;
  #reported = false;
  /** In the middle of a line that is too long. */
  #skipping = false;
  /** Bytes so far, and how many of the first were NUL: text has none. */
  bytes = 0;
  nuls = 0;

  constructor(emit: (draft: OpenReport) => void) {
    this.assembler = new Assembler((draft) => {
      this.#reported = true;
      emit(draft);
    });
  }

  /** Where the next bytes go: then tell `filled`. Never empty. */
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

  /** A copy of bytes from elsewhere. */
  push(chunk: Buffer): void {
    for (let at = 0; at < chunk.length; ) {
      const count = chunk.copy(this.space, 0, at);
      this.filled(count);
      at += count;
    }
  }

  /** The last line may lack its end. */
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

  /** @param from where what is new begins */
  #lines(from: number): void {
    if (this.#reported) this.#anchors = this.#anchors.filter((anchor) => anchor !== LEFT_OVER);
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
      if (this.assembler.idle) {
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

  /** Goes to the next line that may be of a report, or, where it is not the first of one, as far back as it may reach. */
  #seek(whole: Buffer, found: number[]): boolean {
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
    if (nearest === Number.POSITIVE_INFINITY) return false;
    const line = Math.max(whole.lastIndexOf(LF, nearest) + 1, this.#done);
    if (head) {
      this.#done = line;
      return true;
    }
    const back = Math.max(this.#fed, line - LOOK_BACK);
    const from = back === this.#fed ? back : whole.indexOf(LF, back) + 1;
    for (let at = from; at < line; ) {
      const next = whole.indexOf(LF, at);
      this.#feed(at, next);
      at = next + 1;
    }
    this.#done = line;
    return true;
  }

  /** Goes to the next line that may be of a report with a kill in it; after a while there is none. */
  #wait(whole: Buffer): boolean {
    const until = Math.min(whole.length, Math.max(this.#done, this.#fed + SOON));
    const window = whole.subarray(this.#done, until);
    let nearest = -1;
    for (const anchor of this.#json ? [...AFTER_KILL, ...JSON_BYTES] : AFTER_KILL) {
      const at = (nearest < 0 ? window : window.subarray(0, nearest)).indexOf(anchor);
      if (at >= 0) nearest = at;
    }
    if (nearest >= 0) {
      this.#done = Math.max(whole.lastIndexOf(LF, this.#done + nearest) + 1, this.#done);
      return true;
    }
    if (until < whole.length) this.assembler.end();
    // To the next line: none is read from its middle.
    this.#done = until < whole.length ? whole.indexOf(LF, until) + 1 : until;
    return false;
  }

  #feed(from: number, to: number): void {
    this.#fed = to + 1;
    const raw = this.#buffer.toString('utf8', from, Math.min(to, from + LONGEST_LINE));
    const line = readLine(raw, this.#offset + from);
    if (line) this.assembler.feed(line);
  }

  /** Keeps what may still be wanted: the unfinished line, and what is before it. */
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
