import type { Alert } from '../model/alert.ts';

/** Alerts that wait for their sink, the oldest first. */
export interface AlertQueue {
  /** Never waits. @returns how many of the oldest had to go to make room */
  push(alert: Alert): number;
  /** The oldest, which stays until it is removed. */
  head(): Promise<Waiting | undefined>;
  remove(number: number): void;
  readonly length: number;
  /** What waits is still there for the next process. */
  readonly lasting: boolean;
  close(): Promise<void>;
}

export interface Waiting {
  number: number;
  alert: Alert;
}

/** A queue that ends with the process. */
export class MemoryQueue implements AlertQueue {
  readonly lasting = false;
  readonly #waiting: Waiting[] = [];
  readonly #most: number;
  #next = 0;
  /** The one being delivered: it may arrive yet, so it is not the one to drop. */
  #held = -1;

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

  async close(): Promise<void> {}
}
