/**
 * A small file of /proc or of a cgroup, which is made anew each time it is read: opened once and read in place, into one
 * buffer that all of them share. Open, it stays with what it was opened for: neither a new process with an old pid nor a
 * new cgroup with an old name can answer in its stead.
 */
import { closeSync, openSync, readSync } from 'node:fs';

const buffer = Buffer.alloc(16384);

export class SmallFile implements Disposable {
  readonly #fd: number;
  #open = true;

  private constructor(fd: number) {
    this.#fd = fd;
  }

  /** undefined when it is not there or may not be read. */
  static open(path: string): SmallFile | undefined {
    try {
      return new SmallFile(openSync(path, 'r'));
    } catch {
      return undefined;
    }
  }

  /** The bytes, at most 16 KiB of them, good until the next read of any such file; undefined when what it told of is gone. */
  read(): Buffer | undefined {
    if (!this.#open) return undefined;
    try {
      return buffer.subarray(0, readSync(this.#fd, buffer, 0, buffer.length, 0));
    } catch {
      return undefined; // ENODEV: the cgroup is removed; ESRCH: the process is gone; EOPNOTSUPP: pressure is switched off
    }
  }

  close(): void {
    if (this.#open) closeSync(this.#fd);
    this.#open = false;
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/** One that is read once, as above. undefined: it is not there, or may not be read. */
export function readSmallFile(path: string): Buffer | undefined {
  const file = SmallFile.open(path); // closed by hand: `using` is not yet the engine's own, and this is called thousands of times
  const bytes = file?.read();
  file?.close();
  return bytes;
}

/** The decimal number that starts at `at`; NaN when there is none. */
export function numberAt(bytes: Buffer, at = 0): number {
  let value = 0;
  let end = at;
  for (; end < bytes.length; end++) {
    const digit = (bytes[end] as number) - 0x30;
    if (digit < 0 || digit > 9) break;
    value = value * 10 + digit;
  }
  return end === at ? Number.NaN : value;
}

/** The number behind `name` and white space, in a file of such lines; undefined when no line has that name. */
export const numberOf = (bytes: Buffer, name: string): number | undefined => new LineReader(bytes).number(name);

/**
 * Values by name in a file of lines "name value". A search begins where the last one found something, and goes on from the
 * start of the file: names that are asked for in the order of the file cost one pass together.
 */
export class LineReader {
  readonly #bytes: Buffer;
  #from = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  /** undefined when no line has that name, or what follows it is not a number. */
  number(name: string): number | undefined {
    const at = this.#find(name);
    const value = at < 0 ? Number.NaN : numberAt(this.#bytes, at);
    return Number.isNaN(value) ? undefined : value;
  }

  /** The file from the value of this name on. */
  rest(name: string): Buffer | undefined {
    const at = this.#find(name);
    return at < 0 ? undefined : this.#bytes.subarray(at);
  }

  #find(name: string): number {
    if (this.#isNextLine(name)) return this.#from;
    const found = this.#findFrom(name, this.#from);
    return found < 0 && this.#from > 0 ? this.#findFrom(name, 0) : found;
  }

  /** Most searches are for the line after the last one: no need to search. */
  #isNextLine(name: string): boolean {
    const bytes = this.#bytes;
    let at = this.#from;
    for (const end = at + MOST_VALUE; at < end && bytes[at] !== NEWLINE; ) at++;
    if (bytes[at++] !== NEWLINE) return false;
    for (let i = 0; i < name.length; i++) if (bytes[at++] !== name.charCodeAt(i)) return false;
    if (bytes[at] !== SPACE && bytes[at] !== TAB) return false;
    while (bytes[at] === SPACE || bytes[at] === TAB) at++;
    this.#from = at;
    return true;
  }

  #findFrom(name: string, from: number): number {
    const bytes = this.#bytes;
    for (let at = bytes.indexOf(name, from, 'latin1'); at >= 0; at = bytes.indexOf(name, at + 1, 'latin1')) {
      let next = at + name.length;
      const separated = bytes[next] === SPACE || bytes[next] === TAB;
      if (!separated || (at > 0 && bytes[at - 1] !== NEWLINE)) continue;
      while (bytes[next] === SPACE || bytes[next] === TAB) next++;
      this.#from = next;
      return next;
    }
    return -1;
  }
}

/** The longest value that is worth passing over byte by byte. */
const MOST_VALUE = 32;
const TAB = 9;
const NEWLINE = 10;
const SPACE = 32;
