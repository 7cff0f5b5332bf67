/**
 * Sends the entries of a queue in order, with at most 64 that are not yet acknowledged. An entry leaves the queue when
 * JetStream has acknowledged it. After a failure nothing new is sent until the answers of all sent entries are known;
 * then everything that is still in the queue is sent again, in order. JetStream drops those that it has already.
 *
 * A cluster that loses its leader also loses what was on its way there, while it acknowledges what came later. The lost
 * entry is sent again before a reader of the fleet has waited for it for a second: then the order is kept.
 */
import type { DiskQueue, Item } from '../alerts/disk-queue.ts';
import { backoffMs } from '../events/backoff.ts';
import type { Entry } from './entry.ts';

/** Entries that may be sent before the first of them is acknowledged. */
export const IN_FLIGHT = 64;
/** So long an entry may be without an answer while a later entry has one (ms): a server answers in order. */
const OVERTAKEN_MS = 100;
const FIRST_PAUSE_MS = 250;
const MOST_PAUSE_MS = 15_000;

export interface WindowHooks {
  /** Sends one entry. @returns true: it is acknowledged, false: it must be given up. Rejects: try again later. */
  send: (entry: Entry) => Promise<boolean>;
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
  /** The entries that are on their way, in order: when they were sent, by their numbers. */
  readonly #onTheWay = new Map<number, number>();
  /** Grows when everything must be sent again: answers of an older epoch no longer count. */
  #epoch = 0;
  #failed = false;
  /** Failures in a row. */
  #failures = 0;
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
    this.#timer = undefined;
    this.#epoch++;
    this.#cursor = -1;
    this.#onTheWay.clear();
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
    const isFree = this.#onTheWay.size < IN_FLIGHT && !this.#failed && this.#timer === undefined;
    return isFree && !this.#closed && this.#hooks.isUp();
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
      if (!next) break;
      this.#cursor = next.number;
      this.#onTheWay.set(next.number, performance.now());
      this.#hooks.send(next.item).then(
        (isPublished) => this.#answered(next, epoch, isPublished),
        (error: unknown) => this.#refused(next, error, epoch),
      );
    }
    this.#pumping = false;
  }

  /** An acknowledgement counts in every epoch: the entry is in the stream. */
  #answered({ number }: Item<Entry>, epoch: number, isPublished: boolean): void {
    const isFirst = this.#queue.remove(number);
    this.#hooks.onSent(isFirst && isPublished);
    if (epoch !== this.#epoch) return;
    this.#failures = 0;
    this.#onTheWay.delete(number);
    this.#watchFirst(number);
    this.#settle();
  }

  /** Sends again when an earlier entry than the one that was just acknowledged gets no answer. */
  #watchFirst(acknowledged: number): void {
    const [first] = this.#onTheWay;
    if (!first || first[0] > acknowledged || this.#overtaken !== undefined) return;
    const [number, sentMs] = first;
    const check = () => {
      this.#overtaken = undefined;
      if (this.#onTheWay.get(number) === sentMs && !this.#failed) this.restart();
    };
    this.#overtaken = setTimeout(check, Math.max(0, sentMs + OVERTAKEN_MS - performance.now()));
  }

  #refused({ number }: Item<Entry>, error: unknown, epoch: number): void {
    if (epoch !== this.#epoch) return;
    this.#onTheWay.delete(number);
    if (!this.#failed) this.#hooks.onFailure(error);
    this.#failed = true;
    this.#settle();
  }

  #settle(): void {
    if (!this.#failed) {
      this.wake();
      return;
    }
    if (this.#onTheWay.size > 0 || this.#timer !== undefined) return;
    this.#timer = setTimeout(() => this.restart(), backoffMs(++this.#failures, FIRST_PAUSE_MS, MOST_PAUSE_MS));
  }
}
