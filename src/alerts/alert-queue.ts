/**
 * The queue of alerts between a lane (lane.ts) and its sink. This file has a queue in memory; spool.ts has one on disk.
 */
import type { Alert } from '../model/alert.ts';

/** Alerts that wait for their sink, the oldest first. */
export interface AlertQueue {
  /** Adds an alert without blocking. @returns how many of the oldest were dropped to stay within the limit */
  push(alert: Alert): number;
  /** The oldest alert, which stays in the queue until remove() is called with its number. */
  head(): Promise<Waiting | undefined>;
  /** Removes the alert of this number, if it is still there. */
  remove(number: number): void;
  /** Changes the limit of a queue on disk, in bytes; undefined restores the default. */
  limit(mostBytes: number | undefined): void;
  /** Number of waiting alerts. */
  readonly length: number;
  /** Number of waiting alerts that survive this process. */
  readonly kept: number;
  /** Settles when every alert that must survive this process is on disk. */
  close(): Promise<void>;
}

export interface Waiting {
  number: number;
  alert: Alert;
}

/** A queue in memory: its alerts are lost when the process ends. */
export class MemoryQueue implements AlertQueue {
  readonly kept = 0;
  readonly #waiting: Waiting[] = [];
  readonly #most: number;
  #next = 0;
  /** Number of the alert being delivered. This alert is never dropped, because the receiver may just be getting it. */
  #held = -1;

  /** @param most largest number of waiting alerts */
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
