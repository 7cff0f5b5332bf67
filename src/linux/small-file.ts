import { closeSync, openSync, readSync } from 'node:fs';

/** All files share this buffer, so that reading does not allocate memory. */
const buffer = Buffer.alloc(16384);

/**
 * A small file of /proc or of a cgroup, which is opened once and read many times. The kernel generates the content at
 * each read. An open file stays bound to its process or cgroup, even if another one gets the same pid or path later.
 */
export class SmallFile implements Disposable {
  readonly #fd: number;
  #open = true;

  private constructor(fd: number) {
    this.#fd = fd;
  }

  /** undefined: the file does not exist, or may not be read. */
  static open(path: string): SmallFile | undefined {
    try {
      return new SmallFile(openSync(path, 'r'));
    } catch {
      return undefined;
    }
  }

  /**
   * Reads at most 16 KiB. The result is a view of a buffer that the next read of any SmallFile overwrites: convert it
   * at once.
   *
   * @returns undefined: the process has exited, the cgroup was removed, PSI is switched off, or the file is closed
   */
  read(): Buffer | undefined {
    if (!this.#open) return undefined;
    try {
      return buffer.subarray(0, readSync(this.#fd, buffer, 0, buffer.length, 0));
    } catch {
      return undefined; // ENODEV: the cgroup was removed; ESRCH: the process exited; EOPNOTSUPP: PSI is switched off
    }
  }

  /** undefined: it is closed. */
  get descriptor(): number | undefined {
    return this.#open ? this.#fd : undefined;
  }

  close(): void {
    if (this.#open) closeSync(this.#fd);
    this.#open = false;
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/** Reads a file once; see SmallFile.read(). undefined: the file does not exist, or may not be read. */
export function readSmallFile(path: string): Buffer | undefined {
  // No `using`: it is compiled to calls of a helper function, and this function runs thousands of times a second.
  const file = SmallFile.open(path);
  const bytes = file?.read();
  file?.close();
  return bytes;
}

/** Parses the decimal number that starts at `at`; NaN if there is no digit. */
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

/** Finds the number in the line "name number"; undefined if there is no such line. */
export const numberOf = (bytes: Buffer, name: string): number | undefined => new LineReader(bytes).number(name);

/**
 * Finds values by name in a file of lines "name value". A search starts where the last search ended, and continues from
 * the beginning of the file, so that searches in the order of the file need only one pass in total.
 */
export class LineReader {
  readonly #bytes: Buffer;
  #from = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  /** undefined: no line has that name, or its value is not a number. */
  number(name: string): number | undefined {
    const at = this.#find(name);
    const value = at < 0 ? Number.NaN : numberAt(this.#bytes, at);
    return Number.isNaN(value) ? undefined : value;
  }

  /** The rest of the file, starting at the value of this name. */
  rest(name: string): Buffer | undefined {
    const at = this.#find(name);
    return at < 0 ? undefined : this.#bytes.subarray(at);
  }

  #find(name: string): number {
    if (this.#from === 0) return this.#findFrom(name, 0);
    if (this.#isNextLine(name)) return this.#from;
    const found = this.#findFrom(name, this.#from);
    return found < 0 ? this.#findFrom(name, 0) : found;
  }

  /** Fast path: whether the name is on the line after the last result, as it usually is. */
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

/** #isNextLine() skips at most this many bytes to find the end of a line. */
const MOST_VALUE = 32;
const TAB = 9;
const NEWLINE = 10;
const SPACE = 32;
