/**
 * Exports events as logs, and metrics, by OTLP/HTTP. Logs wait in a queue, with `spool` on disk, and are sent in batches;
 * metrics are cumulative, so that a later export replaces one that failed.
 */
import { hostname } from 'node:os';
import { DiskQueue, type Item } from '../alerts/disk-queue.ts';
import type { Codec } from '../alerts/disk-queue-options.ts';
import { backoffMs } from '../events/backoff.ts';
import type { Metrics } from '../metrics/metrics.ts';
import type { Event } from '../model/events.ts';
import { globMatch } from '../text/glob.ts';
import { VERSION } from '../version.ts';
import { attributesOf } from './attributes.ts';
import { endpointOf, headersOf, type OtlpOptions } from './endpoint.ts';
import { logRecordOf } from './log-record.ts';
import { metricsOf } from './metric-points.ts';
import { LogsRequest, type Message, MetricsRequest } from './schema.ts';
import { type OtlpTarget, type Outcome, sendOtlp } from './send.ts';

export interface OtlpCounts {
  /** Records that the receiver has taken. */
  sent: number;
  /** Records that it did not take, or that were dropped because the queue was full. */
  lost: number;
  waiting: number;
}

/** Records of one request, and how long the first one waits for others (ms). */
const MOST_RECORDS = 512;
const BATCH_MS = 1_000;
/** Pauses before a retry (ms), as the exporters of OpenTelemetry make them. */
const FIRST_RETRY_MS = 1_000;
const MOST_RETRY_MS = 60_000;
/** During close(), one more attempt may take this long (ms). */
const CLOSE_MS = 2_000;

const codec: Codec<object> = {
  noun: { one: 'log record', article: 'a log record' },
  write: (record) => JSON.stringify(record),
  read: (text) => {
    const record: unknown = JSON.parse(text);
    if (typeof record !== 'object' || record === null || !('timeUnixNano' in record))
      throw new Error('it is no log record');
    return record;
  },
};

export class OtlpExporter implements AsyncDisposable {
  readonly #options: OtlpOptions;
  readonly #logs: OtlpTarget;
  readonly #metricsTarget: OtlpTarget;
  readonly #metrics: Metrics | undefined;
  readonly #tell: (note: string) => void;
  readonly #queue: DiskQueue<object>;
  readonly #resource = { attributes: resourceAttributes() };
  readonly #stop = new AbortController();
  readonly #counts = { sent: 0, lost: 0 };
  #timer: NodeJS.Timeout | undefined;
  #draining: Promise<void> | undefined;
  #exporting: Promise<void> | undefined;
  /** The present problem of the logs and of the metrics, which fail independently. */
  readonly #failing = new Map<string, string>();

  /**
   * @param metrics the metrics to send; undefined: none
   * @param tell called with sentences for the log
   * @throws OomscopeError USAGE
   */
  constructor(options: OtlpOptions, metrics: Metrics | undefined, tell: (note: string) => void = () => {}) {
    const { spool, spoolBytes, timeoutMs = 10_000, gzip = true, protocol = 'http/protobuf' } = options;
    const common = { protocol, gzip, timeoutMs, headers: headersOf(options.headers) };
    this.#options = options;
    this.#logs = { url: endpointOf(options.endpoint, 'logs'), ...common };
    this.#metricsTarget = { url: endpointOf(options.endpoint, 'metrics'), ...common };
    this.#metrics = options.metrics === false ? undefined : metrics;
    this.#tell = tell;
    this.#queue = new DiskQueue({ directory: spool, codec, mostBytes: spoolBytes, onTrouble: tell });
  }

  get counts(): OtlpCounts {
    return { ...this.#counts, waiting: this.#queue.length };
  }

  start(): void {
    if (this.#queue.length > 0) this.#drain(); // left by the last process
    if (!this.#metrics) return;
    this.#timer = setInterval(() => void this.exportMetrics(), this.#options.everyMs ?? 60_000).unref();
  }

  /** Queues an event. Never waits. */
  take(event: Event): void {
    const { logs = true, events = [] } = this.#options;
    if (!logs || (events.length > 0 && !events.some((glob) => globMatch(glob, event.type)))) return;
    this.#counts.lost += this.#queue.push(logRecordOf(event, Date.now()));
    this.#drain();
  }

  /** Sends the metrics once. An export that fails is not repeated: the next one has the same totals. */
  exportMetrics(): Promise<void> {
    const metrics = this.#metrics;
    if (!metrics) return Promise.resolve();
    this.#exporting ??= this.#post(this.#metricsTarget, MetricsRequest, {
      resourceMetrics: [
        { resource: this.#resource, scopeMetrics: [{ scope, metrics: metricsOf(metrics.read(), Date.now()) }] },
      ],
    })
      .then((outcome) => this.#report(outcome, 'metrics'))
      .finally(() => {
        this.#exporting = undefined;
      });
    return this.#exporting;
  }

  /** Sends what waits, once more, and closes the spool. Takes at most some seconds. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    const late = setTimeout(() => this.#stop.abort(), CLOSE_MS);
    this.#closing = true;
    this.#wake();
    await Promise.all([this.#draining, this.exportMetrics()]);
    clearTimeout(late);
    this.#stop.abort();
    await this.#queue.close();
    const lost = this.#queue.length - this.#queue.kept;
    if (lost > 0) this.#tell(`otlp: ${lost} log records were not delivered before the end.`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #closing = false;
  #wake = () => {};

  #drain(): void {
    this.#draining ??= this.#sendAll().finally(() => {
      this.#draining = undefined;
      if (this.#queue.length > 0 && !this.#closing) this.#drain();
    });
  }

  async #sendAll(): Promise<void> {
    await this.#pause(BATCH_MS);
    for (let failures = 0; ; ) {
      const batch = await this.#queue.heads(MOST_RECORDS);
      if (batch.length === 0 || this.#stop.signal.aborted) return;
      const outcome = await this.#post(this.#logs, LogsRequest, this.#request(batch));
      this.#report(outcome, 'logs');
      if (outcome.outcome === 'retry') {
        if (this.#closing) return;
        await this.#pause(Math.max(backoffMs(++failures, FIRST_RETRY_MS, MOST_RETRY_MS), outcome.retryAfterMs ?? 0));
        continue;
      }
      failures = 0;
      for (const { number } of batch) this.#queue.remove(number);
      const rejected = outcome.outcome === 'refused' ? batch.length : Math.min(batch.length, outcome.rejected);
      this.#counts.lost += rejected;
      this.#counts.sent += batch.length - rejected;
    }
  }

  #request(batch: readonly Item<object>[]): object {
    const logRecords = batch.map(({ item }) => item);
    return { resourceLogs: [{ resource: this.#resource, scopeLogs: [{ scope, logRecords }] }] };
  }

  #post(target: OtlpTarget, message: Message, value: object): Promise<Outcome> {
    return sendOtlp(target, message, value, this.#stop.signal);
  }

  /** Tells of the first failure, of each other one, and that all is well again. */
  #report({ outcome, rejected, reply }: Outcome, what: string): void {
    const problem = outcome === 'accepted' && rejected === 0 ? undefined : `${what}: ${reply}`;
    if (problem === this.#failing.get(what)) return;
    if (problem === undefined) this.#failing.delete(what);
    else this.#failing.set(what, problem);
    const state = {
      retry: this.#closing ? '' : '; trying again',
      refused: '; they are lost',
      accepted: `; ${rejected} were rejected`,
    }[outcome];
    this.#tell(problem === undefined ? `otlp: ${what} are taken again.` : `otlp: ${problem}${state}.`);
  }

  #pause(ms: number): Promise<void> {
    if (this.#closing) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

const scope = { name: 'oomscope', version: VERSION };

const resourceAttributes = () =>
  attributesOf({
    'service.name': 'oomscope',
    'service.version': VERSION,
    'service.instance.id': hostname(),
    'host.name': hostname(),
    'os.type': 'linux',
    'k8s.node.name': process.env.NODE_NAME || undefined,
  });
