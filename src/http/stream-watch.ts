/** Cuts off the clients of streams that do not read what they are sent. */
import type { ServerResponse } from 'node:http';

/** A client for which this much waits (bytes) is cut off. */
const MOST_WAITING = 1024 ** 2;
/** A client that has read nothing for this long (ms), although something waits for it, is cut off. */
const LONGEST_MS = 30_000;
const CHECK_MS = 1_000;

export class StreamWatch {
  readonly #most: number;
  /** For each response: how many bytes the kernel had taken, and since when it takes no more. */
  readonly #open = new Map<ServerResponse, { written: number; sinceMs: number }>();
  #timer: NodeJS.Timeout | undefined;

  constructor(most: number) {
    this.#most = most;
  }

  /** @returns false: there are too many streams already */
  add(response: ServerResponse): boolean {
    if (this.#open.size >= this.#most) return false;
    this.#open.set(response, { written: 0, sinceMs: performance.now() });
    response.once('close', () => this.#remove(response));
    this.#timer ??= setInterval(() => this.#check(), CHECK_MS).unref();
    return true;
  }

  close(): void {
    for (const response of this.#open.keys()) response.end();
  }

  #remove(response: ServerResponse): void {
    this.#open.delete(response);
    if (this.#open.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #check(): void {
    const nowMs = performance.now();
    for (const [response, seen] of this.#open) {
      const waiting = response.writableLength;
      const written = (response.socket?.bytesWritten ?? 0) - waiting;
      if (waiting === 0 || written !== seen.written) this.#open.set(response, { written, sinceMs: nowMs });
      if (waiting > MOST_WAITING || nowMs - seen.sinceMs > LONGEST_MS) response.destroy();
    }
  }
}
