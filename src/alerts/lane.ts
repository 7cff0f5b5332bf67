/**
 * A lane carries alerts to one sink: it drops duplicates, queues the other alerts, delivers them one at a time no
 * faster than the sink allows, and retries. Lanes are independent of each other, and offering an alert to a lane never
 * blocks.
 */
import { backoffMs } from '../events/backoff.ts';
import type { Alert } from '../model/alert.ts';
import type { Receipt } from '../model/receipt.ts';
import type { Severity } from '../model/severity.ts';
import { printable } from '../text/printable.ts';
import { type AlertQueue, MemoryQueue, type Waiting } from './alert-queue.ts';
import { Episodes } from './episodes.ts';
import type { Sink } from './sinks/sink.ts';

/** How alerts are delivered to one sink. */
export interface LaneOptions {
  /** The sink. */
  sink: Sink;
  /** Less severe alerts are not sent. Default `info`. */
  minimum?: Severity;
  /** The queue in which alerts wait. Default: a queue of at most 1,000 alerts in memory. */
  queue?: AlertQueue;
  /**
   * Pause before the first retry. Default 1,000. It doubles with each retry up to `mostRetryMs` (default 60,000), and
   * each pause is shortened at random by up to a half, so that many senders do not retry at the same moment.
   */
  firstRetryMs?: number;
  /** Longest pause between two attempts. Default 60,000. */
  mostRetryMs?: number;
  /** The queue and the open episodes of the lane that this lane replaces. */
  handover?: Handover;
}

/** What a lane passes to its successor, the lane that replaces it. */
export interface Handover {
  /** undefined: the successor has its own queue. */
  queue: AlertQueue | undefined;
  episodes: Episodes;
  /** Resolves when the old lane has finished its last delivery. */
  ended: Promise<void>;
}

/** Number of alerts so far, by outcome. */
export interface LaneCounts {
  /** Alerts that the sink delivered. */
  delivered: number;
  /** Failed attempts that were followed by another attempt. */
  retried: number;
  /** Alerts that the sink refused, or that were not delivered before close(). */
  failed: number;
  /** Alerts that were dropped because the queue was full. */
  dropped: number;
  /** Alerts in the queue now; after close(), those kept on disk for the next start. */
  waiting: number;
}

/** A change of a sink's state. */
export interface LaneReport {
  /** The name of the sink. */
  sink: string;
  /**
   * - `delivered`: an alert arrived.
   * - `down`: the first failed attempt since the last delivery; `up`: the first delivery after that.
   * - `failed`, `dropped`, `kept`: see {@link LaneCounts}.
   */
  state: 'delivered' | 'down' | 'up' | 'failed' | 'dropped' | 'kept';
  /** One sentence, without secrets. */
  message: string;
  /** The alert that the report is about; undefined when it is about the sink as a whole. */
  alert: Alert | undefined;
}

/** Limit of the pause that a receiver can request with the HTTP header Retry-After. */
const MOST_RETRY_AFTER_MS = 3_600_000;
/** How long after the timeout of an attempt the lane waits for the sink to settle before it goes on. */
const GRACE_MS = 2_000;
/** During close(), the lane waits only this long after the timeout of an attempt (ms). */
const CLOSE_GRACE_MS = 500;
/** After this many thrown errors an alert is given up, because it would block all later alerts. */
const MOST_THROWS = 5;
/** Delay between an event and its delivery, so that the output on stdout and its reader get the CPU first. */
const DELIVERY_DELAY_MS = 5;

export class Lane {
  readonly counts: LaneCounts = { delivered: 0, retried: 0, failed: 0, dropped: 0, waiting: 0 };
  readonly #sink: Sink;
  readonly #episodes: Episodes;
  readonly #queue: AlertQueue;
  readonly #firstRetryMs: number;
  readonly #mostRetryMs: number;
  readonly #report: (report: LaneReport) => void;
  readonly #stop = new AbortController();
  readonly #refreshTimer: NodeJS.Timeout | undefined;
  /** Settles when the lane may deliver. It is one promise, because each wait for the signal would add a listener. */
  readonly #begins: Promise<void>;
  #running: Promise<void> | undefined;
  #ending = false;
  /** True when a successor delivers the rest of the queue. */
  #handedOver = false;
  #wake = () => {};
  /** Failed attempts since the last delivery. */
  #failures = 0;
  /** Number of attempts at the current alert in which the sink threw an error. */
  #throws = 0;
  #dropping = false;
  #lastAttemptMs = Number.NEGATIVE_INFINITY;

  constructor(options: LaneOptions, report: (report: LaneReport) => void) {
    this.#sink = options.sink;
    this.#episodes = options.handover?.episodes ?? new Episodes();
    this.#episodes.minimum = options.minimum ?? 'info';
    this.#queue = options.queue ?? options.handover?.queue ?? new MemoryQueue();
    this.#begins = Promise.race([options.handover?.ended ?? Promise.resolve(), aborted(this.#stop.signal)]);
    this.#firstRetryMs = options.firstRetryMs ?? 1_000;
    this.#mostRetryMs = options.mostRetryMs ?? 60_000;
    this.#report = report;
    const refresh = options.sink.refresh;
    if (refresh) {
      this.#refreshTimer = setInterval(() => {
        void this.#attempt(refresh.run).then((receipt) => this.#record(receipt, []));
      }, refresh.everyMs).unref();
    }
    this.#run(); // the spool may hold alerts of the previous process
  }

  /** Queues the alert if it is new. Never blocks, never throws. */
  offer(alert: Alert): void {
    const fresh = this.#ending ? undefined : this.#episodes.next(alert, Date.now());
    if (!fresh) return;
    const dropped = this.#queue.push(fresh);
    this.counts.waiting = this.#queue.length;
    if (dropped > 0) {
      if (!this.#dropping) this.#emit('dropped', 'its queue is full: the oldest alerts are dropped', undefined);
      this.#dropping = true;
      this.counts.dropped += dropped;
    }
    this.#run();
  }

  /** Delivers the waiting alerts for at most `timeoutMs`, then closes the sink and the queue. */
  async close(timeoutMs: number): Promise<void> {
    await this.#end(timeoutMs);
    await this.#queue.close();
    const { kept, length } = this.#queue;
    const lost = length - kept;
    this.counts.waiting = kept;
    this.counts.failed += lost;
    if (kept > 0) this.#emit('kept', `${amount(kept)} kept for the next start`, undefined);
    if (lost > 0) this.#emit('failed', `${amount(lost)} not delivered before the end`, undefined);
  }

  /**
   * Ends this lane and passes its episodes and, with `queueToo`, its queue to a successor. The current attempt may take
   * up to `timeoutMs`. Without `queueToo` this lane delivers its waiting alerts as close() does.
   */
  handOver({ queueToo, timeoutMs }: { queueToo: boolean; timeoutMs: number }): Handover {
    if (!queueToo) return { queue: undefined, episodes: this.#episodes, ended: this.close(timeoutMs) };
    this.#handedOver = true;
    return { queue: this.#queue, episodes: this.#episodes, ended: this.#end(timeoutMs) };
  }

  async #end(timeoutMs: number): Promise<void> {
    this.#ending = true;
    clearInterval(this.#refreshTimer);
    const timer = setTimeout(() => this.#stop.abort(), timeoutMs);
    this.#wake(); // ends the current pause; later pauses are short
    await this.#running;
    clearTimeout(timer);
    this.#stop.abort();
    await this.#sink.close?.();
  }

  #run(): void {
    if (this.#running) return;
    this.#running = this.#drain().finally(() => {
      this.#running = undefined;
      if (this.#queue.length > 0 && !this.#ending) this.#run();
    });
  }

  async #drain(): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve, DELIVERY_DELAY_MS));
    await this.#begins;
    while (!this.#handedOver) {
      if ((await this.#queue.heads(1)).length === 0) return;
      await this.#pause(this.#lastAttemptMs + (this.#sink.everyMs ?? 0) - performance.now());
      if (this.#handedOver || this.#stop.signal.aborted) return;
      const waiting = await this.#queue.heads(this.#sink.digest?.most ?? 1); // more may have come meanwhile
      this.#lastAttemptMs = performance.now();
      const receipt = await this.#attempt((signal) => this.#deliver(waiting, signal));
      this.#record(
        receipt,
        waiting.map(({ alert }) => alert),
      );
      if (receipt.outcome === 'retry') {
        // the waiting alerts stay on disk, or the successor has them
        if (this.#handedOver || (this.#ending && this.#queue.kept > 0)) return;
        const backoff = backoffMs(this.#failures, this.#firstRetryMs, this.#mostRetryMs);
        await this.#pause(Math.min(Math.max(backoff, receipt.retryAfterMs ?? 0), MOST_RETRY_AFTER_MS));
        if (this.#stop.signal.aborted) return;
      } else {
        for (const { number } of waiting) this.#queue.remove(number);
      }
      this.counts.waiting = this.#queue.length;
    }
  }

  #deliver(waiting: readonly Waiting[], signal: AbortSignal): Promise<Receipt> {
    const [first, ...more] = waiting as [Waiting];
    const { digest } = this.#sink;
    if (!digest || more.length === 0) return this.#sink.deliver(first.alert, signal);
    return digest.deliver(
      waiting.map(({ alert }) => alert),
      signal,
    );
  }

  async #attempt(run: (signal: AbortSignal) => Promise<Receipt>): Promise<Receipt> {
    const timeoutMs = this.#sink.timeoutMs ?? 10_000;
    const attempt = new AbortController();
    const end = () => attempt.abort();
    const timer = setTimeout(end, timeoutMs);
    this.#stop.signal.addEventListener('abort', end);
    if (this.#stop.signal.aborted) end();
    let grace: NodeJS.Timeout | undefined;
    const late = new Promise<Receipt>((resolve) => {
      const reply = `no answer within ${timeoutMs / 1000} s`;
      attempt.signal.addEventListener('abort', () => {
        const graceMs = this.#stop.signal.aborted ? CLOSE_GRACE_MS : GRACE_MS;
        grace = setTimeout(() => resolve({ outcome: 'retry', reply }), graceMs);
      });
    });
    try {
      return await Promise.race([run(attempt.signal), late]);
    } catch (error) {
      // A sink returns expected failures. An error that it throws is a bug in the sink or a bad alert, so few attempts
      // are made.
      this.#throws++;
      const outcome = this.#throws < MOST_THROWS ? 'retry' : 'refused';
      return { outcome, reply: printable((error as Error).message) };
    } finally {
      clearTimeout(timer);
      clearTimeout(grace);
      this.#stop.signal.removeEventListener('abort', end);
    }
  }

  /** @param alerts those that were delivered, or not; empty after a refresh */
  #record({ outcome, reply }: Receipt, alerts: readonly Alert[]): void {
    const [first] = alerts;
    if (outcome === 'retry') {
      this.counts.retried += alerts.length;
      if (this.#failures++ === 0) this.#emit('down', `${reply}; trying again`, first);
      return;
    }
    if (outcome === 'delivered') this.#isUp(first);
    this.#failures = 0;
    this.#throws = 0;
    for (const alert of alerts) {
      this.counts[outcome === 'delivered' ? 'delivered' : 'failed']++;
      if (outcome === 'delivered') this.#emit('delivered', reply, alert);
      else this.#emit('failed', `an alert was refused: ${reply}`, alert);
    }
  }

  #isUp(alert: Alert | undefined): void {
    const dropped = this.#dropping ? `; ${amount(this.counts.dropped)} dropped so far` : '';
    if (this.#failures > 0) this.#emit('up', `answers again after ${this.#failures} attempts${dropped}`, alert);
    this.#dropping = false;
  }

  #emit(state: LaneReport['state'], what: string, alert: Alert | undefined): void {
    this.#report({ sink: this.#sink.name, state, message: `${this.#sink.name}: ${what}.`, alert });
  }

  /** Sleeps; close() ends the sleep early. */
  #pause(ms: number): Promise<void> {
    if (ms <= 0) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(() => done(), this.#ending ? Math.min(ms, this.#firstRetryMs) : ms);
      const done = () => {
        clearTimeout(timer);
        this.#stop.signal.removeEventListener('abort', done);
        resolve();
      };
      this.#wake = done;
      this.#stop.signal.addEventListener('abort', done);
    });
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}

const amount = (count: number) => (count === 1 ? '1 alert' : `${count} alerts`);
