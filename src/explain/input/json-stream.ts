/**
 * Reads the log records in a JSON value that is too long to be parsed at once, such as the answer of a log server on one line of many
 * MiB. A part of the value is parsed when it is complete, and then forgotten.
 */
import { type Around, inside, NOTHING_AROUND, ownRecords, recordsInto } from './nested.ts';
import type { JsonRecord } from './structured.ts';

/** An array or object that is longer than this is read element by element. */
const LONGEST_PART = 256 * 1024;
/** A longer string ends the reading. */
const LONGEST_STRING = 4 * 1024 * 1024;
const MOST_DEPTH = 12;

/** An array or object of which not all elements have come. */
interface Open {
  isArray: boolean;
  around: Around;
  /** Of an object: its fields so far. */
  own: JsonRecord;
  key: string | undefined;
}

export class JsonStream {
  readonly #emit: (record: JsonRecord) => void;
  readonly #open: Open[] = [];
  #text = '';
  /** Where the next value, or the rest of the value, begins. */
  #at = 0;
  /** How far the value that begins at `#at` was searched for its end, and how many brackets are open there. */
  #seen = 0;
  #depth = 0;
  #ended = false;
  /** True when the value is not JSON, or nested too deeply: its rest was not read. */
  failed = false;

  /** @param emit called for each record, in the order of the text */
  constructor(emit: (record: JsonRecord) => void) {
    this.#emit = emit;
  }

  /** True when the whole value was read. */
  get complete(): boolean {
    return this.#ended && !this.failed;
  }

  push(text: string): void {
    if (this.#ended) return;
    this.#text = this.#text.slice(this.#at) + text;
    this.#seen -= this.#at;
    this.#at = 0;
    try {
      while (!this.#ended && this.#step());
    } catch {
      this.failed = true;
      this.#ended = true;
    }
    if (this.#ended) this.#text = '';
  }

  /** @returns false: more text is needed */
  #step(): boolean {
    const open = this.#open.at(-1);
    if (this.#seen <= this.#at) {
      const blank = /[\s,]*/y;
      blank.lastIndex = this.#at;
      this.#at += blank.exec(this.#text)?.[0].length ?? 0;
      this.#seen = this.#at;
      const sign = this.#text[this.#at];
      if (sign === undefined) return false;
      if (open && sign === (open.isArray ? ']' : '}')) return this.#close(open);
      if (open && !open.isArray && open.key === undefined) return this.#name(open);
    }
    const end = this.#endOfValue();
    if (end < 0) return this.#text.length - this.#at > LONGEST_PART && this.#enter(open);
    this.#take(JSON.parse(this.#text.slice(this.#at, end)), end - this.#at, open);
    this.#next(end);
    return true;
  }

  #next(at: number): void {
    this.#at = at;
    this.#seen = at;
    this.#depth = 0;
    if (this.#open.length === 0) this.#ended = true;
  }

  #close(open: Open): boolean {
    this.#open.pop();
    if (!open.isArray) for (const record of ownRecords(open.own, inside(open.own, open.around))) this.#emit(record);
    this.#next(this.#at + 1);
    return true;
  }

  /** Reads the name of a field. */
  #name(open: Open): boolean {
    const end = this.#endOfValue();
    const colon = /\s*:/y;
    colon.lastIndex = Math.max(end, 0);
    const found = end < 0 ? null : colon.exec(this.#text);
    if (!found) {
      if (end >= 0 && this.#text.length - end > 1024) throw new SyntaxError('a name without a value');
      this.#seen = this.#at;
      return false;
    }
    open.key = String(JSON.parse(this.#text.slice(this.#at, end)));
    this.#next(colon.lastIndex);
    return true;
  }

  /** @returns the end of the value that begins at `#at`, or -1: it has not come */
  #endOfValue(): number {
    const signs = /["{}[\]]/g;
    const first = this.#text[this.#at] as string;
    if (!'"{['.includes(first)) {
      const scalar = /[\w.+-]+(?=[\s,\]}])/y;
      scalar.lastIndex = this.#at;
      const found = scalar.exec(this.#text);
      if (!found && this.#text.length - this.#at > 1024) throw new SyntaxError('neither a value nor a string');
      return found ? scalar.lastIndex : -1;
    }
    for (signs.lastIndex = this.#seen; ; ) {
      const found = signs.exec(this.#text);
      if (!found) {
        this.#seen = this.#text.length;
        return -1;
      }
      if (found[0] === '"') {
        const end = endOfString(this.#text, found.index);
        if (end < 0) {
          this.#seen = found.index;
          if (this.#text.length - found.index > LONGEST_STRING) throw new SyntaxError('a string that is too long');
          return -1;
        }
        signs.lastIndex = end;
      } else this.#depth += found[0] === '{' || found[0] === '[' ? 1 : -1;
      if (this.#depth <= 0) return signs.lastIndex;
    }
  }

  /** Reads the array or object that begins at `#at` element by element. @returns false: it is a string */
  #enter(open: Open | undefined): boolean {
    const sign = this.#text[this.#at];
    if (sign === '"') return false;
    if (this.#open.length >= MOST_DEPTH) throw new RangeError('nested too deeply');
    const around = open ? (open.isArray ? open.around : inside(open.own, open.around)) : NOTHING_AROUND;
    if (open) open.key = undefined;
    this.#open.push({ isArray: sign === '[', around, own: {}, key: undefined });
    this.#next(this.#at + 1);
    return true;
  }

  #take(value: unknown, length: number, open: Open | undefined): void {
    if (open && !open.isArray) {
      // A short object may have the name of the host.
      if (open.key !== undefined && (typeof value !== 'object' || length <= 4096)) open.own[open.key] = value;
      open.key = undefined;
    }
    if (typeof value !== 'object' || value === null) return;
    const around = !open ? NOTHING_AROUND : open.isArray ? open.around : inside(open.own, open.around);
    recordsInto(value, around, this.#emit);
  }
}

/** @returns the position after the closing quotation mark, or -1 */
function endOfString(text: string, begin: number): number {
  for (let at = begin + 1; ; at++) {
    at = text.indexOf('"', at);
    if (at < 0) return -1;
    let before = at - 1;
    while (text[before] === '\\') before--;
    if ((at - before) % 2 === 1) return at + 1;
  }
}
