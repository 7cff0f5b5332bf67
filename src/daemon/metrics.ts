/** Serves and writes the metrics of a daemon. */
import type { Listener } from '../http/listener.ts';
import type { Listeners } from '../http/listeners.ts';
import { readToken } from '../http/token.ts';
import { serveMetrics } from '../metrics/endpoint.ts';
import { Metrics, type MetricsOptions, type MetricsSources } from '../metrics/metrics.ts';
import { checkTextfile, writeTextfile } from '../metrics/textfile.ts';
import type { Event } from '../model/events.ts';

/** As `[metrics]` of the configuration. */
export interface MetricsSettings {
  listen?: string | undefined;
  textfile?: string | undefined;
  token_file?: string | undefined;
  hosts?: readonly string[];
  pods?: boolean;
  floor?: number;
}

export interface MetricsSurroundings {
  listeners: Listeners;
  sources: MetricsSources;
  /** Called with sentences for the log. */
  tell: (note: string) => void;
}

interface Outputs {
  textfile: string | undefined;
  /** The link for the log. undefined: the metrics are not served. */
  url: string | undefined;
  tell: (note: string) => void;
}

/** node_exporter reads the file at each scrape, by default every 15 s. */
const WRITE_MS = 15_000;

/** The listener of the metrics, to which other parts add pages. @throws OomscopeError USAGE, LISTEN */
export function listenForMetrics(
  listen: string,
  { token_file, hosts = [] }: Pick<MetricsSettings, 'token_file' | 'hosts'>,
  listeners: Listeners,
): Promise<Listener> {
  const token = token_file === undefined ? undefined : readToken(token_file, 'metrics.token_file');
  return listeners.at(listen, 'metrics.listen', { token, hosts });
}

export class DaemonMetrics implements AsyncDisposable {
  /** The values, which other exporters may read, too. */
  readonly metrics: Metrics;
  readonly #tell: (note: string) => void;
  readonly #textfile: string | undefined;
  readonly #url: string | undefined;
  #timer: NodeJS.Timeout | undefined;
  #writing: Promise<void> | undefined;
  #isFailing = false;

  private constructor(metrics: Metrics, { textfile, url, tell }: Outputs) {
    this.metrics = metrics;
    this.#textfile = textfile;
    this.#url = url;
    this.#tell = tell;
  }

  /** Opens the listener and checks the file, before any BPF program is loaded. @throws OomscopeError USAGE, LISTEN, OUTPUT */
  static async open(
    settings: MetricsSettings,
    { listeners, sources, tell }: MetricsSurroundings,
  ): Promise<DaemonMetrics> {
    const { listen, textfile, pods, floor } = settings;
    const options: MetricsOptions = { sources, ...(pods !== undefined && { pods }) };
    const metrics = new Metrics({ ...options, ...(floor !== undefined && { floorBytes: floor }) });
    if (textfile !== undefined) checkTextfile(textfile, 'metrics.textfile');
    if (textfile !== undefined) await writeTextfile(textfile, metrics);
    let url: string | undefined;
    if (listen !== undefined) {
      const listener = await listenForMetrics(listen, settings, listeners);
      serveMetrics(listener, metrics, settings.token_file === undefined ? 'open' : 'token');
      url = `${listener.url}/metrics`;
    }
    return new DaemonMetrics(metrics, { textfile, url, tell });
  }

  /** Begins to sample, when the tracer runs, and tells where the metrics are. */
  start(): void {
    this.metrics.start();
    if (this.#url !== undefined) this.#tell(`The metrics are at ${this.#url}.`);
    if (this.#textfile === undefined) return;
    this.#timer = setInterval(() => this.#write(), WRITE_MS).unref();
  }

  take(event: Event): void {
    this.metrics.take(event);
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#writing;
    if (this.#textfile !== undefined) await writeTextfile(this.#textfile, this.metrics).catch(() => {});
    await this.metrics.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #write(): void {
    if (this.#textfile === undefined || this.#writing) return;
    this.#writing = writeTextfile(this.#textfile, this.metrics)
      .then(
        () => this.#failing(false, 'The metrics are written again.'),
        (error: Error) => this.#failing(true, error.message),
      )
      .finally(() => {
        this.#writing = undefined;
      });
  }

  /** Only the first of several failures in a row is told. */
  #failing(isFailing: boolean, sentence: string): void {
    if (isFailing !== this.#isFailing) this.#tell(sentence);
    this.#isFailing = isFailing;
  }
}
