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
export function numberOf(bytes: Buffer, name: string): number | undefined {
  for (let at = bytes.indexOf(name, 0, 'latin1'); at >= 0; at = bytes.indexOf(name, at + 1, 'latin1')) {
    let next = at + name.length;
    const separated = bytes[next] === SPACE || bytes[next] === TAB;
    if (!separated || (at > 0 && bytes[at - 1] !== NEWLINE)) continue;
    while (bytes[next] === SPACE || bytes[next] === TAB) next++;
    const value = numberAt(bytes, next);
    if (!Number.isNaN(value)) return value;
  }
  return undefined;
}

const TAB = 9;
const NEWLINE = 10;
const SPACE = 32;
