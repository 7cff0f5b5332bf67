/**
 * One sink's lane: what is new goes into its queue, and from there to the sink, one at a time, at its pace, again when it
 * failed. Lanes know nothing of each other, and whoever offers an alert never waits.
 */
import type { Alert, AlertSeverity } from '../model/alert.ts';
import type { Receipt } from '../model/receipt.ts';
import { type AlertQueue, MemoryQueue } from './alert-queue.ts';
import { Episodes } from './episodes.ts';
import type { Sink } from './sinks/sink.ts';

export interface LaneOptions {
  sink: Sink;
  /** Alerts below it are not told. Default `info`. */
  minimum?: AlertSeverity;
  /** Default: 1,000 in memory. */
  queue?: AlertQueue;
  /** Pause before the first repetition; it doubles up to `mostRetryMs`, and each is shortened by up to a half by chance. */
  firstRetryMs?: number;
  mostRetryMs?: number;
}

/** What became of alerts, so far. */
export interface LaneCounts {
  delivered: number;
  /** Attempts that have to be made again. */
  retried: number;
  /** Refused, or not delivered when all was closed. */
  failed: number;
  /** The queue was full. */
  dropped: number;
  /** In the queue now; after the end, kept on disk for the next start. */
  waiting: number;
}

/** Something worth saying about a sink. */
export interface LaneReport {
  sink: string;
  /**
   * - `delivered`: an alert arrived.
   * - `down`: the first attempt in vain since an alert arrived; `up`: one arrives again.
   * - `failed`, `dropped`, `kept`: see {@link LaneCounts}.
   */
  state: 'delivered' | 'down' | 'up' | 'failed' | 'dropped' | 'kept';
  /** One sentence, without secrets. */
  message: string;
  alert: Alert | undefined;
}

/** For what waits when the other side names an hour that is far away. */
const MOST_PATIENCE_MS = 3_600_000;
/** For a sink that does not even settle when its time is up. */
const GRACE_MS = 2_000;
const COURTESY_MS = 5;

export class Lane {
  readonly counts: LaneCounts = { delivered: 0, retried: 0, failed: 0, dropped: 0, waiting: 0 };
  readonly #sink: Sink;
  readonly #episodes: Episodes;
  readonly #queue: AlertQueue;
  readonly #firstRetryMs: number;
  readonly #mostRetryMs: number;
  readonly #report: (report: LaneReport) => void;
  readonly #stop = new AbortController();
  readonly #refresher: NodeJS.Timeout | undefined;
  #running: Promise<void> | undefined;
  #ending = false;
  #wake = () => {};
  /** Attempts since an alert arrived. */
  #vain = 0;
  #dropping = false;
  #lastMs = Number.NEGATIVE_INFINITY;

  constructor(options: LaneOptions, report: (report: LaneReport) => void) {
    this.#sink = options.sink;
    this.#episodes = new Episodes(options.minimum);
    this.#queue = options.queue ?? new MemoryQueue();
    this.#firstRetryMs = options.firstRetryMs ?? 1_000;
    this.#mostRetryMs = options.mostRetryMs ?? 60_000;
    this.#report = report;
    const refresh = options.sink.refresh;
    if (refresh) {
      this.#refresher = setInterval(() => {
        void this.#attempt(refresh.run).then((receipt) => this.#heard(receipt, undefined));
      }, refresh.everyMs).unref();
    }
    this.#run(); // what the last process left
  }

  /** Never waits, never throws. */
  offer(alert: Alert): void {
    const news = this.#ending ? undefined : this.#episodes.next(alert, Date.now());
    if (!news) return;
    const dropped = this.#queue.push(news);
    this.counts.waiting = this.#queue.length;
    if (dropped > 0) {
      if (!this.#dropping) this.#say('dropped', 'its queue is full: the oldest alerts are dropped', undefined);
      this.#dropping = true;
      this.counts.dropped += dropped;
    }
    this.#run();
  }

  /** Delivers what waits, for at most `patienceMs`, and lets go. */
  async close(patienceMs: number): Promise<void> {
    this.#ending = true;
    clearInterval(this.#refresher);
    const timer = setTimeout(() => this.#stop.abort(), patienceMs);
    this.#wake(); // and no long pauses from now on
    await this.#running;
    clearTimeout(timer);
    this.#stop.abort();
    await this.#sink.close?.();
    await this.#queue.close();
    const left = this.#queue.length;
    this.counts.waiting = this.#queue.lasting ? left : 0;
    if (left === 0) return;
    if (this.#queue.lasting) {
      this.#say('kept', `${amount(left)} kept for the next start`, undefined);
    } else {
      this.counts.failed += left;
      this.#say('failed', `${amount(left)} not delivered before the end`, undefined);
    }
  }

  #run(): void {
    if (this.#running) return;
    this.#running = this.#drain().finally(() => {
      this.#running = undefined;
      if (this.#queue.length > 0 && !this.#ending) this.#run();
    });
  }

  async #drain(): Promise<void> {
    // After everything else that is done with the event, here and by whoever reads our lines: with few CPUs a sink's other
    // side would run in their place.
    await new Promise((resolve) => setTimeout(resolve, COURTESY_MS));
    for (;;) {
      const waiting = await this.#queue.head();
      if (!waiting) return;
      await this.#pause(this.#lastMs + (this.#sink.everyMs ?? 0) - performance.now());
      if (this.#stop.signal.aborted) return;
      this.#lastMs = performance.now();
      const receipt = await this.#attempt((signal) => this.#sink.deliver(waiting.alert, signal));
      this.#heard(receipt, waiting.alert);
      if (receipt.outcome === 'retry') {
        if (this.#ending && this.#queue.lasting) return; // it is safe where it is
        const backoff =
          Math.min(this.#firstRetryMs * 2 ** (this.#vain - 1), this.#mostRetryMs) * (1 - Math.random() / 2);
        await this.#pause(Math.min(Math.max(backoff, receipt.retryAfterMs ?? 0), MOST_PATIENCE_MS));
        if (this.#stop.signal.aborted) return;
      } else {
        this.#queue.remove(waiting.number);
      }
      this.counts.waiting = this.#queue.length;
    }
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
        grace = setTimeout(() => resolve({ outcome: 'retry', reply }), GRACE_MS);
      });
    });
    try {
      return await Promise.race([run(attempt.signal), late]);
    } catch (error) {
      return { outcome: 'retry', reply: (error as Error).message };
    } finally {
      clearTimeout(timer);
      clearTimeout(grace);
      this.#stop.signal.removeEventListener('abort', end);
    }
  }

  #heard({ outcome, reply }: Receipt, alert: Alert | undefined): void {
    if (outcome === 'retry') {
      if (alert) this.counts.retried++;
      if (this.#vain++ === 0) this.#say('down', `${reply}; trying again`, alert);
      return;
    }
    if (outcome === 'delivered') this.#isUp(alert);
    this.#vain = 0;
    if (!alert) return;
    this.counts[outcome === 'delivered' ? 'delivered' : 'failed']++;
    if (outcome === 'delivered') this.#say('delivered', reply, alert);
    else this.#say('failed', `an alert was refused: ${reply}`, alert);
  }

  #isUp(alert: Alert | undefined): void {
    const dropped = this.#dropping ? `; ${amount(this.counts.dropped)} dropped so far` : '';
    if (this.#vain > 0) this.#say('up', `answers again after ${this.#vain} attempts${dropped}`, alert);
    this.#dropping = false;
  }

  #say(state: LaneReport['state'], what: string, alert: Alert | undefined): void {
    this.#report({ sink: this.#sink.name, state, message: `${this.#sink.name}: ${what}.`, alert });
  }

  /** Ends early when all is closed. */
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

const amount = (count: number) => (count === 1 ? '1 alert' : `${count} alerts`);
