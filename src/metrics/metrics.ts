/** The metrics of one process: counts events, samples cgroups, and writes all values in a text format. */
import type { LaneCounts } from '../alerts/lane.ts';
import { Cgroupfs } from '../linux/cgroupfs.ts';
import { readMeminfo } from '../linux/meminfo.ts';
import { parseStallTotals } from '../linux/psi.ts';
import { numberOf, readSmallFile } from '../linux/small-file.ts';
import type { CgroupOwner } from '../model/container.ts';
import type { Event } from '../model/events.ts';
import { VERSION } from '../version.ts';
import { CgroupSampler } from './cgroup-sampler.ts';
import { EventMetrics } from './event-metrics.ts';
import { exposition, type TextFormat } from './exposition.ts';
import type { OwnerOptions } from './owner.ts';
import type { Labels } from './registry.ts';
import { Registry } from './registry.ts';
import { StallCounter } from './stall-counter.ts';

/** What the daemon knows apart from its events. All are read at a scrape or at an interval, never kept. */
export interface MetricsSources {
  /** The owner of a cgroup, with the names that are known. */
  ownerOf: (path: string) => CgroupOwner;
  /** What Kubernetes says about an owner. */
  factsOf?: OwnerOptions['factsOf'];
  /** The totals of the pressure monitor; undefined: it does not run. */
  pressure?: () => Parameters<StallCounter['count']>[0] | undefined;
  /** The counts of the alerts' sinks. */
  alerts?: () => readonly { sink: string; counts: LaneCounts }[];
  /** Whether the guard kills; undefined: there is no guard. */
  enforcing?: () => boolean | undefined;
}

export interface MetricsOptions {
  sources: MetricsSources;
  /** Whether events come from a tracer. false: what only events tell is unknown and left out, never 0. Default true. */
  traces?: boolean;
  /** Label by pod, too. Default: no, because every new pod adds series that remain. */
  pods?: boolean;
  /** Containers and units without a limit and with less memory than this have no series (bytes). Default 16 MiB. */
  floorBytes?: number;
  /** Interval of the passes over the cgroups (ms). Default 10,000. */
  everyMs?: number;
  /** The memory cgroups. Default: those of this machine; undefined: none. */
  cgroups?: Cgroupfs | undefined;
  proc?: string;
}

const FLOOR_BYTES = 16 * 1024 ** 2;
const EVERY_MS = 10_000;

export class Metrics implements AsyncDisposable {
  readonly registry = new Registry();
  readonly #sources: MetricsSources;
  readonly #events: EventMetrics | undefined;
  readonly #stalls: StallCounter;
  readonly #sampler: CgroupSampler | undefined;
  readonly #proc: string;
  readonly #everyMs: number;
  readonly #ended = new AbortController();
  #timer: NodeJS.Timeout | undefined;
  #pass: Promise<void> | undefined;

  constructor(options: MetricsOptions) {
    const {
      sources,
      traces = true,
      pods = false,
      floorBytes = FLOOR_BYTES,
      everyMs = EVERY_MS,
      proc = '/proc',
    } = options;
    const { registry } = this;
    const { ownerOf, factsOf } = sources;
    const labels = { pods, factsOf };
    const cgroups = 'cgroups' in options ? options.cgroups : Cgroupfs.find();
    this.#sources = sources;
    this.#events = traces ? new EventMetrics(registry, labels) : undefined;
    this.#stalls = new StallCounter({ registry, ownerOf, ...labels });
    this.#sampler = cgroups && new CgroupSampler({ registry, cgroups, ownerOf, floorBytes, ...labels });
    this.#proc = proc;
    this.#everyMs = everyMs;
    registry.set('build', 1, { version: VERSION });
    registry.set('started', Math.round(performance.timeOrigin) / 1000);
  }

  /** Begins to sample the cgroups. */
  start(): void {
    this.#timer ??= setInterval(() => void this.sample(), this.#everyMs).unref();
    void this.sample();
  }

  /** Counts an event. It takes some µs and never throws. */
  take(event: Event): void {
    this.#events?.take(event);
  }

  /** One pass over the cgroups, in slices of a millisecond. While a pass runs, it returns that one. */
  sample(): Promise<void> {
    this.#pass ??= this.#sample().finally(() => {
      this.#pass = undefined;
    });
    return this.#pass;
  }

  async #sample(): Promise<void> {
    const totals = this.#sources.pressure?.();
    if (totals) this.#stalls.count(totals);
    await this.#sampler?.sample(this.#ended.signal);
  }

  /** All metrics as text. Reads five small files. */
  text(format: TextFormat): string {
    return exposition(this.read(), format);
  }

  /** All metrics with the values of now. */
  read(): Registry {
    this.#events?.refresh();
    this.#readSystem();
    this.#readSelf();
    return this.registry;
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    this.#ended.abort();
    await this.#pass;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #readSystem(): void {
    const { registry } = this;
    const memory = readMeminfo(this.#proc);
    if (memory) {
      registry.set('total', memory.totalBytes);
      registry.set('available', memory.availableBytes);
      registry.set('swapFree', memory.swapFreeBytes);
    }
    const pressure = parseStallTotals(readSmallFile(`${this.#proc}/pressure/memory`));
    if (pressure) {
      registry.set('waiting', pressure.someUs / 1e6);
      registry.set('stalled', pressure.fullUs / 1e6);
    }
    const vmstat = readSmallFile(`${this.#proc}/vmstat`);
    const kills = vmstat && numberOf(vmstat, 'oom_kill');
    if (kills !== undefined) registry.set('kernelKills', kills);
  }

  #readSelf(): void {
    const { registry } = this;
    const { user, system } = process.cpuUsage();
    registry.set('resident', process.memoryUsage.rss());
    registry.set('cpu', (user + system) / 1e6);
    const enforcing = this.#sources.enforcing?.();
    registry.clear('enforcing');
    if (enforcing !== undefined) registry.set('enforcing', enforcing ? 1 : 0);
    registry.clear('alertsWaiting');
    const sums = new Map<string, { labels: Labels; count: number }>();
    for (const { sink, counts } of this.#sources.alerts?.() ?? []) {
      for (const [outcome, count] of Object.entries(counts)) {
        const key = `${sink}\0${outcome}`;
        sums.set(key, { labels: { sink, outcome }, count: count + (sums.get(key)?.count ?? 0) });
      }
    }
    for (const { labels, count } of sums.values()) {
      if (labels.outcome === 'waiting') registry.set('alertsWaiting', count, { sink: labels.sink });
      else registry.set('alerts', count, labels);
    }
  }
}
