/**
 * Takes events for the history. It never waits: entries are queued, and a worker thread writes them to the disk in
 * batches, at most a fifth of a second later. When the queue is full, because the disk is full or does not answer, new entries are
 * dropped and counted.
 */
import type { Worker } from 'node:worker_threads';
import { bootId } from '../linux/boot-id.ts';
import type { Event } from '../model/events.ts';
import { formatBytes } from '../text/format.ts';
import { printable } from '../text/printable.ts';
import { type Entry, entryOf } from './entry.ts';
import { BATCH_BYTES, EntryQueue } from './entry-queue.ts';
import { prepareHistoryFile } from './file.ts';
import type { Alive, FromWriter, ToWriter, WriterData } from './protocol.ts';
import type { StoreLimits } from './store.ts';
import { startThread } from './thread.ts';

export interface RecorderOptions extends StoreLimits {
  path: string;
  /** Called with sentences for a log: the disk fails, works again, entries were removed. */
  tell: (sentence: string) => void;
  /** Called with the number of events that were lost since the last call, by type. */
  onLost: (lost: Record<string, number>) => void;
  /** Largest size of the queue in bytes of JSON. Default 8 MiB. */
  queueBytes?: number;
}

const QUEUE_BYTES = 8 * 2 ** 20;
const BATCH_MS = 200;
/** Pauses after a failure: the shortest and the longest (ms). */
const RETRY_MS = [1000, 30_000] as const;
/** Interval of the search for entries beyond the limits, and of reports about losses that go on (ms). */
const [TRIM_MS, LOST_MS] = [60_000, 60_000];
/** In a storm the limits are also checked after this share of the largest size was written. */
const TRIM_SHARE = 0.01;
/** How long close() waits for the disk (ms). */
const CLOSE_MS = 2500;
/** A clock that differs by more than this from the time that has passed was set (ms). */
const CLOCK_MS = 3_600_000;
export class HistoryRecorder implements AsyncDisposable {
  /** Settles when the file is open, with the time of the last entry of an earlier run. undefined: there is none. */
  readonly opened: Promise<Alive | undefined>;
  readonly #options: RecorderOptions;
  readonly #boot = (bootId() ?? '').replaceAll('-', '').slice(0, 8);
  readonly #began = { wall: Date.now(), mono: performance.now() };
  #resolveOpened: (alive: Alive | undefined) => void = () => {};
  #worker: Worker | undefined;
  readonly #queue: EntryQueue;
  /** The batch that the worker has, and that is written again if the worker fails. */
  #inFlight: Entry[] | undefined;
  #timer: NodeJS.Timeout | undefined;
  #trimTimer: NodeJS.Timeout;
  #retryMs = 0;
  #trouble: string | undefined;
  #lost: Record<string, number> = {};
  #lostToldMs = Number.NEGATIVE_INFINITY;
  #trimming = false;
  #sinceTrim = 0;
  #removed = { age: false, size: false };
  #onIdle: (() => void) | undefined;
  #isClosing = false;
  #gaveUp = false;

  /** @throws OomscopeError CONFIG: another user can write to the file, or the directory cannot be made */
  constructor(options: RecorderOptions) {
    this.#options = options;
    this.#queue = new EntryQueue(options.queueBytes ?? QUEUE_BYTES);
    prepareHistoryFile(options.path);
    this.opened = new Promise((resolve) => {
      this.#resolveOpened = resolve;
    });
    this.#start();
    this.#trimTimer = setInterval(() => this.#trim(), TRIM_MS).unref();
  }

  /** Queues an event. Takes some microseconds, and never throws. */
  take(event: Event): void {
    if (this.#gaveUp) return;
    const entry = entryOf(event);
    if (entry) this.#push(entry);
  }

  /** Queues entries that were read from the kernel's log. */
  addLogged(entries: readonly Entry[]): void {
    for (const entry of entries) this.#push(entry);
  }

  /** The number of entries that are not on disk yet. */
  get waiting(): number {
    return this.#queue.length + (this.#inFlight?.length ?? 0);
  }

  /** Writes what waits, for at most 2.5 s, and closes the file. */
  async close(): Promise<void> {
    clearInterval(this.#trimTimer);
    clearTimeout(this.#timer);
    this.#isClosing = true;
    const idle = new Promise<void>((resolve) => {
      this.#onIdle = resolve;
    });
    this.#retryMs = 0;
    this.#flush();
    await within(idle, CLOSE_MS);
    if (this.waiting > 0)
      this.#options.tell(
        `The history ${this.#shown} lacks the last ${this.waiting} events: ${this.#trouble ?? 'the disk did not answer'}.`,
      );
    const worker = this.#worker;
    this.#worker = undefined;
    if (!worker) return;
    const ended = new Promise<void>((resolve) => worker.once('exit', () => resolve()));
    worker.postMessage({ do: 'close' } satisfies ToWriter);
    await within(ended, 1000);
    // A thread that waits for a disk cannot be ended; it must not keep this process from ending either.
    worker.unref();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  get #shown(): string {
    return printable(this.#options.path);
  }

  #push(entry: Entry): void {
    if (!this.#queue.push(entry)) {
      this.#lose(entry.type);
      return;
    }
    // While the disk fails, the timer of the next attempt runs.
    if (this.#queue.bytes >= BATCH_BYTES && this.#trouble === undefined) this.#flush();
    else if (!this.#inFlight) this.#timer ??= setTimeout(() => this.#flush(), BATCH_MS);
  }

  #lose(type: string): void {
    this.#lost[type] = (this.#lost[type] ?? 0) + 1;
    this.#tellLosses();
  }

  #tellLosses(): void {
    const now = performance.now();
    if (now - this.#lostToldMs < LOST_MS || Object.keys(this.#lost).length === 0) return;
    this.#lostToldMs = now;
    const lost = this.#lost;
    this.#lost = {};
    // Not in the call that lost an event: the receiver may give this recorder the event about the loss.
    setImmediate(() => this.#options.onLost(lost));
  }

  #start(): void {
    const { path, maxAgeMs, maxBytes } = this.#options;
    const worker = startThread('history-worker', { workerData: { path, maxAgeMs, maxBytes } satisfies WriterData });
    this.#worker = worker;
    worker.on('message', (message: FromWriter) => this.#heard(message));
    worker.on('error', (error) => this.#fail(`its thread ended: ${error.message}`));
    worker.on('exit', () => {
      if (this.#worker !== worker) return;
      this.#worker = undefined;
      this.#trimming = false;
      this.#retryLater();
    });
  }

  #heard(message: FromWriter): void {
    switch (message.was) {
      case 'opened':
        this.#resolveOpened(message.lastAlive ?? undefined);
        this.#movedAside(message.movedTo);
        this.#works();
        break;
      case 'added':
        this.#movedAside(message.movedTo);
        this.#added();
        break;
      case 'trimmed':
        this.#trimmed(message.removal);
        break;
      case 'failed':
        this.#trimming = false;
        if (message.forGood) this.#giveUp(message.why);
        else this.#fail(message.why);
        break;
      case 'closed':
    }
  }

  #added(): void {
    for (const { json } of this.#inFlight ?? []) this.#sinceTrim += json.length;
    this.#inFlight = undefined;
    if (this.#sinceTrim > this.#options.maxBytes * TRIM_SHARE) this.#trim();
    this.#works();
    this.#flush();
  }

  #works(): void {
    if (this.#trouble !== undefined) this.#options.tell(`The history ${this.#shown} is written again.`);
    this.#trouble = undefined;
    this.#retryMs = 0;
    this.#lostToldMs = Number.NEGATIVE_INFINITY;
    this.#tellLosses();
  }

  #fail(why: string): void {
    if (this.#trouble !== why && !this.#isClosing) {
      this.#options.tell(
        `The history ${this.#shown} cannot be written: ${printable(why)}. Tracing goes on, and events wait in memory.`,
      );
    }
    this.#trouble = why;
    this.#resolveOpened(undefined);
    this.#retryLater();
  }

  /** Ends the history of this run, and drops what waits. */
  #giveUp(why: string): void {
    this.#gaveUp = true;
    this.#options.tell(
      `The history ${this.#shown} is not written: ${printable(why)}. Move it away, or choose another path.`,
    );
    this.#queue.clear();
    this.#inFlight = undefined;
    this.#resolveOpened(undefined);
    this.#onIdle?.();
  }

  #retryLater(): void {
    if (this.#gaveUp || (this.#isClosing && this.#retryMs > 0)) {
      this.#onIdle?.();
      return;
    }
    const [least, most] = RETRY_MS;
    this.#retryMs = this.#isClosing ? 100 : Math.min(most, Math.max(least, this.#retryMs * 2));
    clearTimeout(this.#timer);
    const batch = this.#inFlight;
    this.#inFlight = undefined;
    if (batch) this.#queue.putBack(batch);
    this.#timer = setTimeout(() => this.#flush(), this.#retryMs);
    this.#timer.unref();
  }

  #flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#inFlight) return;
    if (this.#queue.length === 0 || this.#gaveUp) {
      this.#onIdle?.();
      return;
    }
    if (!this.#worker) this.#start();
    const batch = this.#queue.batch();
    this.#inFlight = batch;
    const alive = { timeMs: Date.now(), boot: this.#boot, monoMs: Number(process.hrtime.bigint() / 1_000_000n) };
    this.#worker?.postMessage({ do: 'add', entries: batch, alive } satisfies ToWriter);
  }

  /** Removes what is beyond the limits, a slice after the other. */
  #trim(): void {
    if (this.#trimming || this.#gaveUp || this.#trouble !== undefined || !this.#worker) return;
    this.#trimming = true;
    this.#sinceTrim = 0;
    const { wall, mono } = this.#began;
    const drift = Date.now() - wall - (performance.now() - mono);
    // After the clock was set forward, entries would look old that are not.
    const nowMs = Math.abs(drift) < CLOCK_MS ? Date.now() : undefined;
    this.#worker.postMessage({ do: 'trim', nowMs } satisfies ToWriter);
  }

  #trimmed(removal: Extract<FromWriter, { was: 'trimmed' }>['removal']): void {
    this.#trimming = false;
    if (!removal) return;
    const { cause, beforeMs } = removal;
    if (!this.#removed[cause]) {
      this.#removed[cause] = true;
      const { maxAgeMs, maxBytes } = this.#options;
      const why =
        cause === 'age'
          ? `events older than ${Math.round(maxAgeMs / 86_400_000)} days (max_age)`
          : `the oldest events, from before ${new Date(beforeMs).toISOString()}, because it has reached ${formatBytes(maxBytes)} (max_size)`;
      this.#options.tell(`The history ${this.#shown} drops ${why}. This is said once.`);
    }
    this.#trim();
  }

  #movedAside(path: string | null): void {
    if (path !== null)
      this.#options.tell(
        `The history ${this.#shown} was damaged: it is now ${printable(path)}, and a new one was begun.`,
      );
  }
}

async function within(promise: Promise<void>, ms: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms);
  });
  await Promise.race([promise, late]);
  clearTimeout(timer);
}
