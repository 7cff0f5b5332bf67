/**
 * Sends the entries of a queue in order, each at most 63 places after the first that is not yet acknowledged. An entry
 * leaves the queue when JetStream has acknowledged it. After a failure nothing new is sent until the answers of all sent
 * entries are known; then everything that is still in the queue is sent again, in order. JetStream drops those that it
 * has already.
 *
 * A cluster that loses its leader also loses what was on its way there, while it acknowledges what came later. Then the
 * server works, and a reader of the fleet waits for the lost entry: all that is not acknowledged is sent again soon. Each
 * entry is sent with the first number of its process that is not yet acknowledged, so that the reader waits only for
 * entries that this process still sends.
 */
import type { DiskQueue, Item } from '../alerts/disk-queue.ts';
import { backoffMs } from '../events/backoff.ts';
import type { Entry } from './entry.ts';

/** Entries that may be sent before the first of them is acknowledged. */
export const IN_FLIGHT = 64;
/** How long an entry waits for its acknowledgement when a later entry has one (ms): a server answers almost in order. */
const OVERTAKEN_MS = 100;
const FIRST_PAUSE_MS = 250;
const MOST_PAUSE_MS = 15_000;

export interface WindowHooks {
  /**
   * Sends one entry.
   *
   * @param settled every entry of the same process with a smaller number is acknowledged, or never comes
   * @returns true: it is acknowledged, false: it must be given up. Rejects: try again later
   */
  send: (entry: Entry, settled: number) => Promise<boolean>;
  isUp: () => boolean;
  /** An entry could not be sent now. */
  onFailure: (error: unknown) => void;
  /** The server answered. @param isPublished true: it has one entry more, false: it had it before, or the entry was given up */
  onSent: (isPublished: boolean) => void;
}

export class Window {
  readonly #queue: DiskQueue<Entry>;
  readonly #hooks: WindowHooks;
  /** Number of the last entry that was sent. */
  #cursor = -1;
  /** The entries that were sent and are not acknowledged, in order, by their numbers in the queue. */
  readonly #open = new Map<number, Entry>();
  /** How many of them wait for an answer. The others were refused. */
  #onTheWay = 0;
  /** The last entry in the queue that was acknowledged since everything was sent again. */
  #acknowledged = -1;
  /** Grows when everything must be sent again: answers of an older epoch no longer count. */
  #epoch = 0;
  #failed = false;
  /** Failures in a row. */
  #failures = 0;
  /** How often all was sent again for the first open entry, since a first one was last acknowledged. */
  #repeats = 0;
  #timer: NodeJS.Timeout | undefined;
  #overtaken: NodeJS.Timeout | undefined;
  #pumping = false;
  /** There may be an entry that the pump has not seen. */
  #woken = false;
  #closed = false;

  constructor(queue: DiskQueue<Entry>, hooks: WindowHooks) {
    this.#queue = queue;
    this.#hooks = hooks;
  }

  /** Called when there is a new entry. */
  wake(): void {
    this.#woken = true;
    if (!this.#pumping) void this.#pump();
  }

  /** Called when the connection is there, or there again: everything that is not acknowledged is sent again. */
  restart(): void {
    clearTimeout(this.#timer);
    clearTimeout(this.#overtaken);
    this.#timer = undefined;
    this.#overtaken = undefined;
    this.#epoch++;
    this.#cursor = -1;
    this.#open.clear();
    this.#onTheWay = 0;
    this.#acknowledged = -1;
    this.#failed = false;
    this.wake();
  }

  close(): void {
    this.#closed = true;
    this.#epoch++;
    clearTimeout(this.#timer);
    clearTimeout(this.#overtaken);
  }

  get #maySend(): boolean {
    return !this.#failed && this.#timer === undefined && !this.#closed && this.#hooks.isUp();
  }

  async #pump(): Promise<void> {
    this.#pumping = true;
    while (this.#maySend) {
      const epoch = this.#epoch;
      this.#woken = false;
      const found = this.#queue.after(this.#cursor);
      // Without waiting, the client writes all entries of this turn of the event loop to its socket together.
      const next = found instanceof Promise ? await found : found;
      if (epoch !== this.#epoch) continue;
      if (!next && this.#woken) continue;
      if (!next || next.number - this.#firstOpen(next.number) >= IN_FLIGHT) break;
      this.#send(next, epoch);
    }
    this.#pumping = false;
  }

  #send(next: Item<Entry>, epoch: number): void {
    const { number, item: entry } = next;
    this.#cursor = number;
    this.#open.set(number, entry);
    this.#onTheWay++;
    this.#hooks.send(entry, this.#settledBefore(entry)).then(
      (isPublished) => this.#answered(next, epoch, isPublished),
      (error: unknown) => this.#refused(error, epoch),
    );
  }

  #firstOpen(otherwise: number): number {
    for (const number of this.#open.keys()) return number;
    return otherwise;
  }

  /** What is before an open entry in the queue is open, too, or is gone. */
  #settledBefore({ run, number }: Entry): number {
    for (const open of this.#open.values()) if (open.run === run) return open.number;
    return number;
  }

  /** An acknowledgement counts in every epoch: the entry is in the stream. */
  #answered({ number }: Item<Entry>, epoch: number, isPublished: boolean): void {
    const isFirst = this.#queue.remove(number);
    this.#hooks.onSent(isFirst && isPublished);
    if (epoch !== this.#epoch) return;
    this.#failures = 0;
    if (this.#firstOpen(number) === number) this.#repeats = 0;
    this.#open.delete(number);
    this.#onTheWay--;
    this.#acknowledged = Math.max(this.#acknowledged, number);
    this.#watchFirst();
    this.#settle();
  }

  /** Sends again when an entry gets no acknowledgement for a time although a later entry has one. */
  #watchFirst(): void {
    const number = this.#firstOpen(Number.POSITIVE_INFINITY);
    if (number > this.#acknowledged || this.#overtaken !== undefined) return;
    const check = () => {
      this.#overtaken = undefined;
      if (this.#firstOpen(-1) !== number) {
        this.#watchFirst();
        return;
      }
      this.#repeats++;
      this.restart();
    };
    this.#overtaken = setTimeout(check, Math.min(OVERTAKEN_MS * 2 ** this.#repeats, MOST_PAUSE_MS));
  }

  #refused(error: unknown, epoch: number): void {
    if (epoch !== this.#epoch) return;
    this.#onTheWay--;
    if (!this.#failed) this.#hooks.onFailure(error);
    this.#failed = true;
    this.#settle();
  }

  #settle(): void {
    if (!this.#failed) {
      this.wake();
      return;
    }
    if (this.#onTheWay > 0 || this.#timer !== undefined) return;
    this.#timer = setTimeout(() => this.restart(), backoffMs(++this.#failures, FIRST_PAUSE_MS, MOST_PAUSE_MS));
  }
}
