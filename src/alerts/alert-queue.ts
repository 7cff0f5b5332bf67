/** The queue between a lane and its sink: in memory here, on disk in spool.ts. */
import type { Alert } from '../model/alert.ts';

/** Alerts that wait for their sink, the oldest first. */
export interface AlertQueue {
  /** Adds an alert without blocking. @returns how many of the oldest were dropped to stay within the limit */
  push(alert: Alert): number;
  /** The oldest alert, which stays in the queue until remove() is called with its number. */
  head(): Promise<Waiting | undefined>;
  /** Removes the alert of this number, if it is still there. */
  remove(number: number): void;
  /** Changes the limit on disk, in bytes; undefined: the default. */
  limit(mostBytes: number | undefined): void;
  /** How many alerts wait. */
  readonly length: number;
  /** Number of waiting alerts that survive this process. */
  readonly kept: number;
  /** Settles when what must be kept is written. */
  close(): Promise<void>;
}

export interface Waiting {
  number: number;
  alert: Alert;
}

/** A queue that ends with the process. */
export class MemoryQueue implements AlertQueue {
  readonly kept = 0;
  readonly #waiting: Waiting[] = [];
  readonly #most: number;
  #next = 0;
  /** Number of the alert being delivered. It is never dropped, because it may be arriving at this moment. */
  #held = -1;

  /** @param most limit of the queue, in alerts */
  constructor(most = 1000) {
    this.#most = most;
  }

  get length(): number {
    return this.#waiting.length;
  }

  push(alert: Alert): number {
    this.#waiting.push({ number: this.#next++, alert });
    if (this.#waiting.length <= this.#most) return 0;
    return this.#waiting.splice(this.#waiting[0]?.number === this.#held ? 1 : 0, 1).length;
  }

  async head(): Promise<Waiting | undefined> {
    this.#held = this.#waiting[0]?.number ?? -1;
    return this.#waiting[0];
  }

  remove(number: number): void {
    const at = this.#waiting.findIndex((waiting) => waiting.number === number);
    if (at >= 0) this.#waiting.splice(at, 1);
  }

  limit(): void {}

  async close(): Promise<void> {}
}
