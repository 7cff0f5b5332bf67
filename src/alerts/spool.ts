/** The queue on disk of a sink: its alerts survive the process (disk-queue.ts). */
import type { Alert } from '../model/alert.ts';
import type { AlertQueue, Waiting } from './alert-queue.ts';
import { DiskQueue } from './disk-queue.ts';
import type { Codec } from './disk-queue-options.ts';
import { parseAlert } from './parse-alert.ts';

export interface SpoolOptions {
  /** A directory for this sink alone. It is created if it is missing, but its parent must exist. */
  directory: string;
  /**
   * The limits of the spool: the number of alerts, and bytes. The oldest alerts are dropped first. Defaults: 10,000
   * alerts and 64 MiB.
   */
  most?: number;
  mostBytes?: number;
  /** Called when a file cannot be written, or when a file is not an alert. */
  onTrouble?: (message: string) => void;
}

const codec: Codec<Alert> = {
  noun: { one: 'alert', article: 'an alert' },
  write: (alert) => JSON.stringify(alert),
  read: parseAlert,
};

export class Spool implements AlertQueue {
  readonly #queue: DiskQueue<Alert>;

  /** @throws OomscopeError USAGE: the directory is not private to this user, or another process uses it */
  constructor(options: SpoolOptions) {
    this.#queue = new DiskQueue({ ...options, codec });
  }

  get length(): number {
    return this.#queue.length;
  }

  get kept(): number {
    return this.#queue.kept;
  }

  push(alert: Alert): number {
    return this.#queue.push(alert);
  }

  async heads(most: number): Promise<Waiting[]> {
    return (await this.#queue.heads(most)).map(({ number, item }) => ({ number, alert: item }));
  }

  remove(number: number): void {
    this.#queue.remove(number);
  }

  limit(mostBytes: number | undefined): void {
    this.#queue.limit(mostBytes);
  }

  /** Tries again to write the alerts that could not be written, and closes the directory. */
  close(): Promise<void> {
    return this.#queue.close();
  }
}
