/**
 * The queue of alerts between a lane (lane.ts) and its sink. This file has a queue in memory; spool.ts has one on disk.
 */
import type { Alert } from '../model/alert.ts';

/** Alerts that wait for their sink, the oldest first. */
export interface AlertQueue {
  /** Adds an alert without blocking. @returns how many of the oldest were dropped to stay within the limit */
  push(alert: Alert): number;
  /** The oldest alerts, at most `most`. They stay in the queue until remove() is called with their numbers. */
  heads(most: number): Promise<Waiting[]>;
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
  /** How many alerts are being delivered. They are never dropped, because the receiver may just be getting them. */
  #held = 0;

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
    return this.#waiting.splice(Math.min(this.#held, this.#waiting.length - 1), 1).length;
  }

  async heads(most: number): Promise<Waiting[]> {
    const heads = this.#waiting.slice(0, most);
    this.#held = heads.length;
    return heads;
  }

  remove(number: number): void {
    const at = this.#waiting.findIndex((waiting) => waiting.number === number);
    if (at >= 0) this.#waiting.splice(at, 1);
    if (at >= 0 && at < this.#held) this.#held--;
  }

  limit(): void {}

  async close(): Promise<void> {}
}
