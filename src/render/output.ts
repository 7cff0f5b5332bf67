/**
 * Writes lines to standard output without delaying events. For a pipe with a slow reader, up to 1 MiB of lines waits in
 * memory; beyond that, whole lines are dropped and counted by event type. Files and terminals are written
 * synchronously; while the disk is full, whole lines are also dropped and counted.
 */
import { closeSync, fstatSync, ftruncateSync, openSync, writeSync } from 'node:fs';
import { Socket } from 'node:net';

const MOST_WAITING = 1024 * 1024;
/** Lines up to this length in bytes are encoded without allocating memory. */
const ROOM_BYTES = 64 * 1024;
/** The most bytes of a UTF-16 unit in UTF-8. */
const UNIT_BYTES = 3;

export interface OutputOptions {
  fd?: number;
  /** Called when the reader is gone (EPIPE) and nothing more can be written. */
  onClosed: () => void;
  /** Called when there is room again after lines were dropped. Returns the line that reports the dropped lines. */
  onDropped: (dropped: Record<string, number>) => string;
}

export class Output {
  readonly #fd: number;
  readonly #socket: Socket | undefined;
  readonly #options: OutputOptions;
  #dropped: Record<string, number> = {};
  #dropping = false;
  /** The line that reports dropped lines, while the disk has no room for it. */
  #report: string | undefined;
  /** A line of which only a part has been written, because the disk is full. */
  #unfinished: { bytes: Buffer; written: number } | undefined;
  #closed = false;
  readonly #room = Buffer.allocUnsafe(ROOM_BYTES);
  /** Swallows rehearsed lines. */
  #nowhere: number | undefined;
  /** Called when a line was handed to the kernel. */
  #onWritten: () => unknown = () => {};

  constructor(options: OutputOptions) {
    this.#options = options;
    this.#fd = options.fd ?? 1;
    const stat = fstatSync(this.#fd);
    if (!stat.isFIFO() && !stat.isSocket()) return;
    // process.stdout writes to pipes synchronously: a slow reader would block oomscope, even its reaction to Ctrl-C.
    this.#socket = new Socket({ fd: this.#fd, readable: false, writable: true });
    this.#socket.on('error', () => this.#close());
    this.#socket.on('drain', () => this.#sayDropped());
  }

  /** @param type event type under which a dropped line is counted */
  write(line: string, type: string): void {
    if (this.#closed) return;
    const isFull = this.#socket !== undefined && this.#socket.writableLength > MOST_WAITING;
    if (!isFull && this.#socket === undefined) this.#sayDropped();
    if (!isFull && this.#report === undefined && this.#put(line)) return;
    this.#dropped[type] = (this.#dropped[type] ?? 0) + 1;
    this.#dropping = true;
  }

  /** Runs the code that makes and writes a line: the line goes to /dev/null. Never throws. */
  rehearse(line: () => string): void {
    if (this.#closed) return;
    try {
      this.#nowhere ??= openSync('/dev/null', 'w');
      writeSync(this.#nowhere, this.#encoded(line()));
    } catch {
      // A fault that matters comes again with a real line, and is reported then.
    }
  }

  /** Waits until all lines are written, or for at most `timeoutMs` if the reader does not read. */
  async end(timeoutMs = 1000): Promise<void> {
    if (this.#nowhere !== undefined) closeSync(this.#nowhere);
    this.#nowhere = undefined;
    this.#sayDropped();
    if (!this.#socket && !this.#closed && !this.#finishLine()) this.#cutUnfinished();
    const socket = this.#socket;
    if (!socket || this.#closed) return;
    // Not socket.end(): it would shut down the socket for stderr as well, which systemd connects to the same socket.
    if (socket.writableLength > 0) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, timeoutMs);
        const done = () => {
          clearTimeout(timer);
          resolve();
        };
        this.#onWritten = () => socket.writableLength === 0 && done();
        socket.once('close', done);
      });
    }
    socket.destroy();
  }

  /** @returns false when there is no room for the line */
  #put(line: string): boolean {
    if (this.#socket) {
      this.#send(this.#socket, line);
      return true;
    }
    if (!this.#finishLine()) return false;
    const bytes = this.#encoded(line);
    const progress = this.#putBytes(bytes);
    if (progress < bytes.length && progress > 0) this.#unfinished = { bytes: Buffer.from(bytes), written: progress };
    return progress > 0;
  }

  /** Writes a line to a pipe by one system call if the pipe has room. Otherwise the stream keeps the rest of the line. */
  #send(socket: Socket, line: string): void {
    const bytes = this.#encoded(line);
    const written = socket.writableLength > 0 ? 0 : this.#putBytes(bytes);
    if (written < bytes.length) socket.write(Buffer.from(bytes.subarray(written)), () => this.#onWritten());
  }

  /** The line and its end, in a buffer that the next call overwrites. */
  #encoded(line: string): Buffer {
    if ((line.length + 1) * UNIT_BYTES > ROOM_BYTES) return Buffer.from(`${line}\n`);
    const length = this.#room.write(line);
    this.#room[length] = 0x0a;
    return this.#room.subarray(0, length + 1);
  }

  /** Removes an incomplete last line from a file. */
  #cutUnfinished(): void {
    const stat = fstatSync(this.#fd);
    if (this.#unfinished && stat.isFile()) ftruncateSync(this.#fd, stat.size - this.#unfinished.written);
  }

  /** Writes the rest of an incomplete line. @returns false when there is no room for it */
  #finishLine(): boolean {
    const line = this.#unfinished;
    if (line) line.written += this.#putBytes(line.bytes.subarray(line.written));
    if (line && line.written < line.bytes.length) return false;
    this.#unfinished = undefined;
    return true;
  }

  /** @returns the number of bytes that were written */
  #putBytes(bytes: Buffer): number {
    const progress = { written: 0 };
    try {
      if (this.#socket) return writeSync(this.#fd, bytes); // the stream has made the descriptor non-blocking
      writeAll(this.#fd, bytes, progress);
    } catch (error) {
      const { code = '' } = error as NodeJS.ErrnoException;
      if (noRoom.has(code) || (this.#socket && code === 'EAGAIN')) return progress.written;
      if (code !== 'EPIPE' && !this.#socket) throw error;
      this.#close();
      return bytes.length;
    }
    return bytes.length;
  }

  #sayDropped(): void {
    if (this.#closed) return;
    if (this.#report !== undefined && this.#put(this.#report)) this.#report = undefined;
    if (!this.#dropping || this.#report !== undefined) return;
    this.#dropping = false;
    const dropped = this.#dropped;
    this.#dropped = {};
    const report = this.#options.onDropped(dropped);
    if (!this.#put(report)) this.#report = report;
  }

  #close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#socket?.destroy();
    this.#options.onClosed();
  }
}

/** The disk is full, the quota is used up, or the file has reached its maximum size. */
const noRoom: ReadonlySet<string> = new Set(['ENOSPC', 'EDQUOT', 'EFBIG']);

/** Writes all bytes and waits for a slow reader. Throws EPIPE when the reader is gone. */
export function writeAll(fd: number, bytes: Buffer, progress = { written: 0 }): void {
  while (progress.written < bytes.length) {
    try {
      progress.written += writeSync(fd, bytes, progress.written);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error; // EAGAIN: another process made the terminal non-blocking
    }
  }
}
