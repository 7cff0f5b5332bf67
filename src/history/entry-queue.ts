/** Entries that wait to be written, with a limit for the memory that they take. */
import type { Entry } from './entry.ts';

const BATCH_ENTRIES = 500;
/** A batch of this size is written at once. */
export const BATCH_BYTES = 2 ** 20;

export class EntryQueue {
  /** The bytes of JSON that wait. */
  bytes = 0;
  #entries: Entry[] = [];
  readonly #mostBytes: number;

  constructor(mostBytes: number) {
    this.#mostBytes = mostBytes;
  }

  get length(): number {
    return this.#entries.length;
  }

  /** @returns false: the queue is full. An empty queue takes an entry of any size */
  push(entry: Entry): boolean {
    if (this.bytes + entry.json.length > this.#mostBytes && this.#entries.length > 0) return false;
    this.#entries.push(entry);
    this.bytes += entry.json.length;
    return true;
  }

  /** Takes the oldest entries for one transaction. */
  batch(): Entry[] {
    let bytes = 0;
    let count = 0;
    while (count < this.#entries.length && count < BATCH_ENTRIES && bytes < BATCH_BYTES) {
      bytes += this.#entries[count++]?.json.length ?? 0;
    }
    this.bytes -= bytes;
    return this.#entries.splice(0, count);
  }

  /** Puts a batch back that could not be written. It may make the queue larger than its limit by this batch. */
  putBack(batch: readonly Entry[]): void {
    this.#entries = [...batch, ...this.#entries];
    for (const { json } of batch) this.bytes += json.length;
  }

  clear(): void {
    this.#entries = [];
    this.bytes = 0;
  }
}
