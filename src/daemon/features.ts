/**
 * The parts of the daemon that follow its events and may be left out. Each is loaded only if the configuration has its
 * section.
 */
import type { AlertSinks } from '../alerts/alert-sinks.ts';
import type { Config } from '../config/config.ts';
import { ownerOf } from '../containers/container-path.ts';
import type { Listeners } from '../http/listeners.ts';
import type { Metrics, MetricsSources } from '../metrics/metrics.ts';
import type { Event } from '../model/events.ts';
import type { DaemonMetrics } from './metrics.ts';
import type { Watch } from './watch.ts';

/** One part. */
export interface Feature {
  /** Called when the tracer and the monitor run. */
  start?: () => void | Promise<void>;
  /** Adds to an event, before any part takes it. */
  enrich?: (event: Event) => Event;
  /** What this part knows about the owner of a cgroup. */
  factsOf?: MetricsSources['factsOf'];
  /** Called for each event before its output: it must return at once and not throw. */
  take: (event: Event) => void;
  /** Takes the event of a rehearsal up to the last step before the outside. */
  rehearse?: (event: Event) => void;
  close: () => Promise<void>;
}

export interface FeatureSurroundings {
  config: Config;
  watch: Watch;
  alerts: AlertSinks;
  /** Called with sentences for the log. */
  tell: (note: string) => void;
}

export class Features implements AsyncDisposable {
  readonly #open: Feature[] = [];
  readonly #surroundings: FeatureSurroundings;
  #listeners: Listeners | undefined;
  #isReady = false;

  private constructor(surroundings: FeatureSurroundings) {
    this.#surroundings = surroundings;
  }

  /** Opens the parts before any BPF program is loaded, so that a mistake ends the start early. @throws OomscopeError */
  static async open(surroundings: FeatureSurroundings): Promise<Features> {
    const features = new Features(surroundings);
    try {
      await features.#openAll(surroundings.config);
      return features;
    } catch (error) {
      await features.close();
      throw error;
    }
  }

  /** To be called when the tracer and the monitor run. From now on /readyz answers 200. */
  async start(): Promise<void> {
    await Promise.all(this.#open.map((feature) => feature.start?.()));
    this.#isReady = true;
  }

  enrich(event: Event): Event {
    return this.#open.reduce((enriched, { enrich }) => enrich?.(enriched) ?? enriched, event);
  }

  take(event: Event): void {
    for (const feature of this.#open) feature.take(event);
  }

  rehearse(event: Event): void {
    for (const feature of this.#open) feature.rehearse?.(event);
  }

  async close(): Promise<void> {
    await this.#listeners?.close();
    await Promise.all(this.#open.splice(0).map((feature) => feature.close()));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #openAll({ metrics, otlp, history, web, kubernetes, publish }: Config): Promise<void> {
    if (kubernetes?.enabled) {
      await this.#openKubernetes(kubernetes, metrics);
    }
    const served = metrics && (await this.#openMetrics(metrics));
    if (served) this.#open.push(served);
    if (otlp) this.#open.push(await this.#openOtlp(otlp, served?.metrics));
    if (history) this.#open.push(await this.#openHistory(history));
    if (web) this.#open.push(await this.#openWeb(web));
    if (publish) {
      const { Publisher } = await import('../publish/publisher.ts');
      this.#open.push(await Publisher.open(publish, this.#surroundings.tell));
    }
  }

  async #openKubernetes(settings: NonNullable<Config['kubernetes']>, metrics: Config['metrics']): Promise<void> {
    const { openKubernetes } = await import('./kubernetes.ts');
    const { tell, watch } = this.#surroundings;
    const part = openKubernetes(settings, tell);
    this.#open.push(part);
    watch.supervisor = part.supervisor;
    if (metrics?.listen === undefined) return;
    const { listenForMetrics } = await import('./metrics.ts');
    const listener = await listenForMetrics(metrics.listen, metrics, await this.#http());
    await part.serve(listener, metrics.token_file === undefined ? 'open' : 'token');
  }

  async #openMetrics(settings: NonNullable<Config['metrics']>): Promise<DaemonMetrics> {
    const { DaemonMetrics: Served } = await import('./metrics.ts');
    const { tell } = this.#surroundings;
    return Served.open(settings, { listeners: await this.#http(), sources: this.#sources(), tell });
  }

  /** @param served the metrics that are served, too, if they are */
  async #openOtlp(settings: NonNullable<Config['otlp']>, served: Metrics | undefined): Promise<Feature> {
    const { openOtlp } = await import('./otlp.ts');
    return openOtlp(settings, served, { sources: this.#sources(), tell: this.#surroundings.tell });
  }

  #sources(): MetricsSources {
    const { watch, alerts } = this.#surroundings;
    return {
      ownerOf: (path: string) => watch.tracer?.ownerOf(path) ?? ownerOf(path),
      factsOf: (owner) => this.#open.find((part) => part.factsOf)?.factsOf?.(owner),
      pressure: () => watch.pressure?.totals(),
      alerts: () => alerts.counts,
      enforcing: () => watch.isEnforcing,
    };
  }

  async #openHistory(settings: NonNullable<Config['history']>): Promise<Feature> {
    const { watch, tell } = this.#surroundings;
    const { DaemonHistory } = await import('./history.ts');
    return new DaemonHistory(settings, { tell, onLost: (lost) => watch.lostInHistory(lost) });
  }

  async #openWeb(settings: NonNullable<Config['web']>): Promise<Feature> {
    const { watch, tell, config } = this.#surroundings;
    const [{ openWeb }, { defaultHistoryPath }] = await Promise.all([import('./web.ts'), import('../history/file.ts')]);
    return openWeb(settings, {
      ...{ listeners: await this.#http(), tell, live: true, guard: config.guard?.mode ?? null },
      historyPath: config.history ? (config.history.path ?? defaultHistoryPath()) : undefined,
      ownerOf: (path) => watch.tracer?.ownerOf(path) ?? ownerOf(path),
    });
  }

  /** The listeners, which all parts share. */
  async #http(): Promise<Listeners> {
    const { Listeners } = await import('../http/listeners.ts');
    this.#listeners ??= new Listeners({
      tracer: () => (this.#isReady ? undefined : 'the programs are being loaded.'),
    });
    return this.#listeners;
  }
}
