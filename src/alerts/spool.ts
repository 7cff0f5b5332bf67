/**
 * A spool is a queue on disk: the next process delivers, in order, the alerts that this process could not deliver. The
 * file of an alert is written when the alert arrives and removed when it is delivered.
 *
 * Deliveries do not wait for the disk: an alert that is not yet written, or cannot be written, is delivered from
 * memory.
 */
import type { Alert } from '../model/alert.ts';
import { printable } from '../text/printable.ts';
import type { AlertQueue, Waiting } from './alert-queue.ts';
import { SpoolDirectory } from './spool-directory.ts';

interface Entry {
  number: number;
  bytes: number;
  /** The alert until it is on disk; then undefined. */
  alert: Alert | undefined;
}

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

const DEFAULT_BYTES = 64 * 1024 ** 2;

export class Spool implements AlertQueue {
  readonly #directory: SpoolDirectory;
  readonly #most: number;
  #mostBytes = DEFAULT_BYTES;
  readonly #onTrouble: (message: string) => void;
  readonly #entries: Entry[] = [];
  #bytes = 0;
  #next = 1;
  #held = -1;
  /** True when the last write failed. Only the first of several failures in a row is reported. */
  #failing = false;
  #work: Promise<void> = Promise.resolve();
  #closed: Promise<void> | undefined;

  /** @throws OomscopeError USAGE: the directory is not private to this user, or another process uses it */
  constructor({ directory, most = 10_000, mostBytes, onTrouble = () => {} }: SpoolOptions) {
    this.#directory = SpoolDirectory.open(directory);
    this.#most = most;
    this.limit(mostBytes);
    this.#onTrouble = onTrouble;
    for (const { number, bytes } of this.#directory.list(onTrouble)) {
      this.#entries.push({ number, bytes, alert: undefined });
      this.#bytes += bytes;
      this.#next = number + 1;
    }
  }

  get length(): number {
    return this.#entries.length;
  }

  get kept(): number {
    return this.#entries.filter(({ alert }) => alert === undefined).length;
  }

  push(alert: Alert): number {
    const text = JSON.stringify(alert);
    const entry: Entry = { number: this.#next++, bytes: Buffer.byteLength(text), alert };
    this.#entries.push(entry);
    this.#bytes += entry.bytes;
    this.#then(() => this.#write(entry));
    let dropped = 0;
    for (; this.#entries.length > this.#most || this.#bytes > this.#mostBytes; dropped++) {
      const oldest = this.#entries.find(({ number }) => number !== this.#held);
      if (!oldest || oldest === entry) break;
      this.remove(oldest.number);
    }
    return dropped;
  }

  async head(): Promise<Waiting | undefined> {
    for (let entry = this.#entries[0]; entry; entry = this.#entries[0]) {
      const { number } = entry;
      this.#held = number;
      try {
        return { number, alert: entry.alert ?? (await this.#directory.read(number)) };
      } catch (error) {
        // The file was cut off by a power failure, or another program has put it there.
        this.#onTrouble(this.#directory.putAside(number, (error as Error).message));
        this.#forget(number);
      }
    }
    this.#held = -1;
    return undefined;
  }

  remove(number: number): void {
    if (this.#forget(number)) this.#then(() => this.#directory.remove(number));
  }

  limit(mostBytes = DEFAULT_BYTES): void {
    this.#mostBytes = mostBytes; // the next alert drops old ones if the limit is exceeded
  }

  /** Tries again to write the alerts that could not be written, and closes the directory. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    for (const entry of this.#entries) if (entry.alert) this.#then(() => this.#write(entry));
    await this.#work;
    this.#directory.close();
  }

  #forget(number: number): boolean {
    const at = this.#entries.findIndex((entry) => entry.number === number);
    const [entry] = at < 0 ? [] : this.#entries.splice(at, 1);
    this.#bytes -= entry?.bytes ?? 0;
    return entry !== undefined;
  }

  /** Runs disk operations one after another, so that a file is not removed before it is written. */
  #then(step: () => Promise<void>): void {
    this.#work = this.#work.then(step);
  }

  async #write(entry: Entry): Promise<void> {
    if (!entry.alert || !this.#entries.includes(entry)) return;
    try {
      await this.#directory.write(entry.number, JSON.stringify(entry.alert));
      entry.alert = undefined;
      this.#failing = false;
    } catch (error) {
      const { message } = error as Error;
      if (!this.#failing) this.#onTrouble(`spool: alerts are held in memory only: ${printable(message)}.`);
      this.#failing = true;
    }
  }
}
