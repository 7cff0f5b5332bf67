/**
 * Lines to standard output, at once and without ever blocking the stream: a pipe whose reader is slow holds up to 1 MiB
 * here; past that whole lines are dropped and counted by type. A file or terminal is written in place.
 */
import { fstatSync, writeSync } from 'node:fs';
import { Socket } from 'node:net';

const MOST_WAITING = 1024 * 1024;

export interface OutputOptions {
  fd?: number;
  /** The reader is gone (EPIPE): nothing more can be written. */
  onClosed: () => void;
  /** Lines were dropped and there is room again. Returns the line that says so. */
  onDropped: (dropped: Record<string, number>) => string;
}

export class Output {
  readonly #fd: number;
  readonly #socket: Socket | undefined;
  readonly #options: OutputOptions;
  #dropped: Record<string, number> = {};
  #dropping = false;
  #closed = false;

  constructor(options: OutputOptions) {
    this.#options = options;
    this.#fd = options.fd ?? 1;
    const stat = fstatSync(this.#fd);
    if (!stat.isFIFO() && !stat.isSocket()) return;
    // process.stdout writes to pipes synchronously: a slow reader would stop us, Ctrl-C included.
    this.#socket = new Socket({ fd: this.#fd, readable: false, writable: true });
    this.#socket.on('error', () => this.#close());
    this.#socket.on('drain', () => this.#sayDropped());
  }

  /** @param type what the line is, for the count when it has to be dropped */
  write(line: string, type: string): void {
    if (this.#closed) return;
    if (this.#socket && this.#socket.writableLength > MOST_WAITING) {
      this.#dropped[type] = (this.#dropped[type] ?? 0) + 1;
      this.#dropping = true;
      return;
    }
    this.#put(line);
  }

  /** Waits for what is on its way, at most `patienceMs` for a reader that does not read. */
  async end(patienceMs = 1000): Promise<void> {
    this.#sayDropped();
    const socket = this.#socket;
    if (!socket || this.#closed) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, patienceMs);
      socket.end(() => {
        clearTimeout(timer);
        resolve();
      });
    });
    socket.destroy();
  }

  #put(line: string): void {
    if (this.#socket) {
      this.#socket.write(`${line}\n`);
      return;
    }
    try {
      writeAll(this.#fd, Buffer.from(`${line}\n`));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EPIPE') throw error;
      this.#close();
    }
  }

  #sayDropped(): void {
    if (!this.#dropping || this.#closed) return;
    this.#dropping = false;
    const dropped = this.#dropped;
    this.#dropped = {};
    this.#put(this.#options.onDropped(dropped));
  }

  #close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#socket?.destroy();
    this.#options.onClosed();
  }
}

/** Waits for a reader that is slow. Throws EPIPE when it is gone. */
export function writeAll(fd: number, bytes: Buffer): void {
  for (let at = 0; at < bytes.length; ) {
    try {
      at += writeSync(fd, bytes, at);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error; // a terminal that somebody made non-blocking
    }
  }
}
