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
 *
 * A server may also refuse some entries and take others. An entry that it refused while it took others no longer keeps
 * later ones from being sent. An account may forbid the subject of some types: an entry of a type that the server still
 * forbids after it took others is given up.
 */
import type { DiskQueue, Item } from '../alerts/disk-queue.ts';
import { backoffMs } from '../events/backoff.ts';
import { isPermissionViolation } from '../nats/connect.ts';
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
  /** The entry was given up, because the account forbids its subject and permits others. */
  onForbidden: (entry: Entry) => void;
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
  /** The entries that were refused, by their numbers in the queue: in which epoch. */
  readonly #refusedIn = new Map<number, number>();
  /** The types that the server forbids: since which epoch. */
  readonly #forbiddenSince = new Map<string, number>();
  /** True: the server has forbidden every entry of this epoch that it has answered. */
  #allForbidden = true;
  /** The last epoch of which an entry was acknowledged. */
  #acknowledgedIn = -1;
  /** Grows when everything must be sent again: answers of an older epoch no longer count. */
  #epoch = 0;
  /** This epoch sends only what is behind this number in the queue: what is before it was forbidden. -1: it sends everything. */
  #from = -1;
  #failed = false;
  /** Failures in a row. */
  #failures = 0;
  /** How often everything was sent again because the first open entry had no acknowledgement, since a first one last had one. */
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
    this.#refusedIn.clear();
    this.#forbiddenSince.clear();
    this.#sendAgain();
  }

  close(): void {
    this.#closed = true;
    this.#epoch++;
    clearTimeout(this.#timer);
    clearTimeout(this.#overtaken);
  }

  #sendAgain(from = -1): void {
    clearTimeout(this.#timer);
    clearTimeout(this.#overtaken);
    this.#timer = undefined;
    this.#overtaken = undefined;
    this.#epoch++;
    this.#from = from;
    this.#cursor = from;
    this.#open.clear();
    this.#onTheWay = 0;
    this.#acknowledged = -1;
    this.#failed = false;
    this.#allForbidden = true;
    this.wake();
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
      if (!next && this.#cursor === this.#from && this.#from >= 0) {
        this.#from = -1;
        this.#cursor = -1;
        continue;
      }
      if (!next || next.number - this.#firstUnrefused(next.number) >= IN_FLIGHT) break;
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
      (error: unknown) => this.#refused(next, error, epoch),
    );
  }

  #firstOpen(otherwise: number): number {
    for (const number of this.#open.keys()) return number;
    return otherwise;
  }

  /** The first open entry that was not refused while the server took others. */
  #firstUnrefused(otherwise: number): number {
    for (const number of this.#open.keys()) {
      const refusedIn = this.#refusedIn.get(number) ?? Number.POSITIVE_INFINITY;
      if (refusedIn > this.#acknowledgedIn) return number;
    }
    return otherwise;
  }

  /** What is before an open entry in the queue is open, too, or is gone. */
  #settledBefore({ run, number }: Entry): number {
    if (this.#from >= 0) return 0;
    for (const open of this.#open.values()) if (open.run === run) return open.number;
    return number;
  }

  /** An acknowledgement counts in every epoch: the entry is in the stream. */
  #answered({ number, item }: Item<Entry>, epoch: number, isPublished: boolean): void {
    const isFirst = this.#queue.remove(number);
    this.#hooks.onSent(isFirst && isPublished);
    if (epoch !== this.#epoch) return;
    this.#failures = 0;
    this.#finish(number);
    this.#acknowledged = Math.max(this.#acknowledged, number);
    if (isPublished) {
      this.#acknowledgedIn = epoch;
      this.#allForbidden = false;
      this.#forbiddenSince.delete(item.type);
    }
    if (this.#from >= 0) {
      this.#sendAgain();
      return;
    }
    this.#watchFirst();
    this.#settle();
  }

  #finish(number: number): void {
    if (this.#firstOpen(number) === number) this.#repeats = 0;
    this.#open.delete(number);
    this.#refusedIn.delete(number);
    this.#onTheWay--;
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
      this.#sendAgain();
    };
    this.#overtaken = setTimeout(check, Math.min(OVERTAKEN_MS * 2 ** this.#repeats, MOST_PAUSE_MS));
  }

  #refused({ number, item: entry }: Item<Entry>, error: unknown, epoch: number): void {
    if (epoch !== this.#epoch) return;
    const isForbidden = isPermissionViolation(error);
    if (isForbidden && this.#isForGood(entry)) {
      this.#finish(number);
      if (this.#queue.remove(number)) this.#hooks.onForbidden(entry);
      this.#settle();
      return;
    }
    this.#onTheWay--;
    this.#refusedIn.set(number, epoch);
    this.#allForbidden &&= isForbidden;
    if (!this.#failed) this.#hooks.onFailure(error);
    this.#failed = true;
    this.#settle();
  }

  /** An acknowledgement of the same epoch may be older than the refusal. */
  #isForGood({ type }: Entry): boolean {
    const since = this.#forbiddenSince.get(type) ?? this.#epoch;
    this.#forbiddenSince.set(type, since);
    return this.#acknowledgedIn > since;
  }

  #settle(): void {
    if (!this.#failed) {
      this.wake();
      return;
    }
    if (this.#onTheWay > 0 || this.#timer !== undefined) return;
    // Of types that an account forbids there may be more than can be on their way: permitted ones may be behind them.
    const from = this.#allForbidden ? this.#cursor : -1;
    this.#timer = setTimeout(() => this.#sendAgain(from), backoffMs(++this.#failures, FIRST_PAUSE_MS, MOST_PAUSE_MS));
  }
}
