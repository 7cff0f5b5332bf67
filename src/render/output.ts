/**
 * Writes lines to standard output without blocking the events: for a pipe with a slow reader up to 1 MiB is kept here;
 * beyond that, whole lines are dropped and counted by type. A file or a terminal is written synchronously.
 */
import { fstatSync, writeSync } from 'node:fs';
import { Socket } from 'node:net';

const MOST_WAITING = 1024 * 1024;

export interface OutputOptions {
  fd?: number;
  /** Called when the reader is gone (EPIPE) and nothing more can be written. */
  onClosed: () => void;
  /** Called when lines were dropped and there is room again. Returns the line that reports it. */
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

  /** @param type under which the line is counted when it has to be dropped */
  write(line: string, type: string): void {
    if (this.#closed) return;
    if (this.#socket && this.#socket.writableLength > MOST_WAITING) {
      this.#dropped[type] = (this.#dropped[type] ?? 0) + 1;
      this.#dropping = true;
      return;
    }
    this.#put(line);
  }

  /** Waits until everything is written, at most `timeoutMs` for a reader that does not read. */
  async end(timeoutMs = 1000): Promise<void> {
    this.#sayDropped();
    const socket = this.#socket;
    if (!socket || this.#closed) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, timeoutMs);
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

/** Writes all bytes and waits for a slow reader. Throws EPIPE when the reader is gone. */
export function writeAll(fd: number, bytes: Buffer): void {
  for (let at = 0; at < bytes.length; ) {
    try {
      at += writeSync(fd, bytes, at);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error; // EAGAIN: another process made the terminal non-blocking
    }
  }
}
