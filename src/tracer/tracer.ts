/**
 * The tracer: BPF programs in the kernel, a ring that native threads read, and RxJS streams of what comes out.
 */
import { availableParallelism, release } from 'node:os';
import { filter, type Observable, Subject } from 'rxjs';
import { openRing } from '../bpf/load/ring.ts';
import { type LoadedTracer, loadTracer } from '../bpf/load/tracer-loader.ts';
import type { Backend } from '../bpf/load/variants.ts';
import type { Batch } from '../bpf/wire/batch.ts';
import { lossesByName } from '../bpf/wire/counters.ts';
import { RecordKind } from '../bpf/wire/layout.ts';
import { Containers, type ContainersOptions } from '../containers/containers.ts';
import { EnvelopeFactory, realtimeOffsetNs } from '../events/envelope.ts';
import { EventQueue } from '../events/event-queue.ts';
import { LossCounter, sum } from '../events/loss-counter.ts';
import { memoryHierarchy } from '../linux/capabilities.ts';
import { SystemProbe } from '../linux/system.ts';
import { LeadUpRecorder } from '../memory/lead-up-recorder.ts';
import { OomscopeError } from '../model/error.ts';
import type { Event, OomKill, TracerLost, TracerStarted, TracerStopped } from '../model/events.ts';
import type { PressureLevel } from '../model/pressure.ts';
import { loadNative, type RingReader } from '../native/addon.ts';
import type { PressureMonitor } from '../pressure/monitor.ts';
import type { PressureOptions } from '../pressure/options.ts';
import { VERSION } from '../version.ts';
import { Kills } from './kills.ts';
import type { ReportMatcher } from './report-matcher.ts';
import { WarmUp } from './warm-up.ts';

export interface TracerOptions {
  /** Size of the kernel's ring: a power of two, at least 65,536. Default 524,288: room for some 200 kills. */
  ringBytes?: number;
  /** Size of one batch handed to JavaScript, at least 131,072 (also the default). Two are held. */
  batchBytes?: number;
  /** Read what the kernel record lacks from /proc/PID, when it does. Default true. */
  readProc?: boolean;
  /**
   * Which kills come with the list of those that the kernel chose from: `system` (the default) those that are not for a
   * cgroup's limit. The kernel program walks all processes for it, some 0.5 µs each, and the event waits for that.
   */
  candidates?: 'never' | 'system' | 'always';
  /**
   * Ask container runtimes for the names of containers: Docker's socket where there is one, Podman's and CRI-O's lists.
   * Default true. `false`: a container is known by the path of its cgroup, that is, by its id. A `Containers` that is
   * open already is used and not closed.
   */
  containers?: boolean | ContainersOptions | Containers;
  /**
   * Keep the last minute of usage, pressure and growth, for the `lead_up` of kills: /proc and the cgroups are looked at once
   * a second, less often while nothing moves. Default false: a tracer that only waits needs 10 MB less, and sleeps.
   */
  leadUp?: boolean;
  /**
   * An `oom.report` with each kill: the kernel's own report, as it prints it, and what it means. Default false: the parser
   * takes some memory.
   */
  report?: boolean;
  /** Watch memory pressure too: its events join the stream. `true`: as `openPressure()` does by default. Default false. */
  pressure?: boolean | PressureOptions;
  /** Use this backend wherever it exists, for tests. By default the best that the kernel has. */
  backend?: Backend;
  /** Closes the tracer when it fires. */
  signal?: AbortSignal;
}

/** A kill that is ahead is watched for so long: most often it comes within a millisecond. */
const SPIN_US = 3000;

/**
 * Opens a tracer: loads and attaches the BPF programs and starts reading. It keeps the process alive until closed.
 *
 * @throws OomscopeError NOT_PERMITTED, NO_BTF, KERNEL_TOO_OLD, LIBBPF_MISSING, ADDON_MISSING,
 *   OBJECT_MISSING, LIBBPF, USAGE
 */
export async function openTracer(options: TracerOptions = {}): Promise<Tracer> {
  const { pressure = false, report = false } = options;
  const parts: TracerParts = { envelopes: new EnvelopeFactory() };
  if (report) parts.reportMatcher = (await import('./report-matcher.ts')).ReportMatcher;
  if (pressure !== false) {
    const { PressureMonitor } = await import('../pressure/monitor.ts');
    parts.pressure = new PressureMonitor(pressure === true ? {} : pressure, parts.envelopes);
  }
  try {
    return new Tracer(options, parts);
  } catch (error) {
    parts.pressure?.close();
    throw error;
  }
}

/** What is only loaded where it is asked for. */
interface TracerParts {
  /** Those of `pressure`: one numbering for all events. */
  envelopes?: EnvelopeFactory;
  /** What reads the kernel's reports. */
  reportMatcher?: typeof ReportMatcher;
  pressure?: PressureMonitor;
}

export class Tracer implements AsyncIterable<Event>, Disposable, AsyncDisposable {
  /** What the tracer runs on and which hook is served by what. */
  readonly started: TracerStarted;
  /** Every event, complete, in order. Hot: who subscribes late misses what was before. */
  readonly events$: Observable<Event>;
  /** The `oom.kill` events of `events$`. */
  readonly oomKills$: Observable<OomKill>;
  /** Everything that was lost, wherever: the `tracer.lost` events of `events$`. */
  readonly lost$: Observable<TracerLost>;
  /**
   * The records as they came, a batch at a time, before anything else is done with them: the hot path. A batch is yours
   * to keep.
   */
  readonly batches$: Observable<Batch>;
  /** Where `pressure` was asked for: its totals and its own streams. Closed with the tracer. */
  readonly pressure: PressureMonitor | undefined;
  /** The levels of memory pressure, as they change; never any where `pressure` was not asked for. */
  readonly pressure$: Observable<PressureLevel>;
  /** Kernel ids of the tracer's maps. */
  readonly mapIds: { ring: number; counters: number };

  readonly #events = new Subject<Event>();
  readonly #batches = new Subject<Batch>();
  readonly #envelopes: EnvelopeFactory;
  readonly #losses: LossCounter;
  readonly #system = new SystemProbe();
  readonly #leadUps: LeadUpRecorder | undefined;
  readonly #kills: Kills;
  readonly #reports: ReportMatcher | undefined;
  /** Opened here. */
  readonly #containers: Containers | undefined;
  readonly #loaded: LoadedTracer;
  readonly #reader: RingReader;
  readonly #rehearsal: WarmUp;
  readonly #openedAt = process.hrtime.bigint();
  readonly #signal: AbortSignal | undefined;
  readonly #onAbort = () => this.close();
  #closing = false;

  constructor(
    options: TracerOptions,
    { envelopes = new EnvelopeFactory(), reportMatcher, pressure }: TracerParts = {},
  ) {
    this.#envelopes = envelopes;
    this.#losses = new LossCounter(envelopes);
    this.pressure = pressure;
    const native = loadNative();
    const ringBytes = options.ringBytes ?? 512 * 1024;
    if (!Number.isInteger(Math.log2(ringBytes)) || ringBytes < 65536) {
      throw new OomscopeError('USAGE', `ringBytes: expected a power of two, at least 65536, got ${ringBytes}.`);
    }
    this.events$ = this.#events.asObservable();
    this.oomKills$ = this.events$.pipe(filter((event): event is OomKill => event.type === 'oom.kill'));
    this.lost$ = this.events$.pipe(filter((event): event is TracerLost => event.type === 'tracer.lost'));
    this.pressure$ = this.events$.pipe(filter((event): event is PressureLevel => event.type === 'pressure.level'));
    this.batches$ = this.#batches.asObservable();
    this.#signal = options.signal;
    this.#signal?.throwIfAborted();

    this.#loaded = loadTracer({ ringBytes, candidates: options.candidates ?? 'system', backend: options.backend });
    this.mapIds = this.#loaded.mapIds;
    const machine = { pageBytes: native.pageSize(), cpus: availableParallelism(), gfp: this.#loaded.gfp };
    const { containers = true } = options;
    if (containers !== false && !(containers instanceof Containers)) {
      this.#containers = new Containers(containers === true ? {} : containers);
      void this.#containers.start();
    }
    this.#leadUps = options.leadUp
      ? new LeadUpRecorder({ pressure: pressure && (() => pressure.totals()) })
      : undefined;
    this.#kills = new Kills({
      machine,
      system: this.#system,
      envelopes: this.#envelopes,
      readProc: options.readProc ?? true,
      containers: containers instanceof Containers ? containers : this.#containers,
      leadUps: this.#leadUps,
      emit: (event) => this.#emit(event),
    });
    this.#rehearsal = new WarmUp(machine, this.#system);
    try {
      this.#reader = openRing(this.#loaded, {
        onBatch: (batch) => this.#onBatch(batch),
        onError: (error) => this.#fail(error),
        urgentKinds: [RecordKind.RECORD_OOM_KILL, RecordKind.RECORD_OOM_IMMINENT],
        batchBytes: options.batchBytes,
      });
    } catch (error) {
      this.#leadUps?.close();
      this.#containers?.close();
      throw error;
    }
    this.#leadUps?.start();
    try {
      this.#reports = reportMatcher && this.#openReports(reportMatcher);
    } catch (error) {
      this.#leadUps?.close();
      this.#reader.close();
      this.#loaded.close();
      this.#containers?.close();
      throw error;
    }
    native.trimHeap();
    pressure?.events$.subscribe({
      next: (event) => this.#kills.push(event),
      error: (error: unknown) => this.#fail(error),
    });
    this.started = this.#startedEvent();
    this.#signal?.addEventListener('abort', this.#onAbort, { once: true });
  }

  /** Detaches, stops the threads, reports what is still open, and completes the streams. Idempotent. */
  close(): void {
    if (this.#closing) return;
    this.#closing = true;
    this.#signal?.removeEventListener('abort', this.#onAbort);
    this.pressure?.close();
    this.#loaded.detach();
    const lost = this.#losses.take(this.#reader.counters());
    this.#reader.close();
    this.#loaded.close();
    this.#reports?.close();
    this.#kills.close();
    this.#containers?.close();
    this.#leadUps?.close();
    for (const event of lost) this.#emit(event);
    this.#emit(this.#stoppedEvent());
    this.#system.close();
    this.#batches.complete();
    this.#events.complete();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
  }

  /**
   * The events, one by one. Up to 10,000 wait for a slow reader; past that the oldest are dropped, and a `tracer.lost`
   * says how many. Leaving the loop does not close the tracer.
   */
  [Symbol.asyncIterator](): AsyncIterator<Event> {
    return new EventQueue(this.events$, 10_000, (count) => this.lostBehind(count));
  }

  /**
   * For whoever hands events on and had to drop some: makes the `tracer.lost` that says so. It is not put on the stream.
   *
   * @param dropped how many, by type of event
   */
  lostBehind(dropped: Record<string, number>): TracerLost {
    return this.#losses.behind(dropped);
  }

  /** Records lost in the kernel's ring so far, by kind. */
  lostSoFar(): Record<string, number> {
    return lossesByName(this.#closing ? this.#losses.counters : this.#reader.counters());
  }

  #openReports(reportMatcher: typeof ReportMatcher): ReportMatcher {
    const typed = this.#loaded.choices.some(({ hook, backend }) => hook === 'mark_victim' && backend === 'tp_btf');
    return new reportMatcher({
      backend: typed ? 'tp_btf' : 'raw_tp',
      envelopes: this.#envelopes,
      push: (event) => this.#kills.push(event),
      onError: (error) => this.#events.error(error),
    });
  }

  #onBatch(batch: Batch): void {
    this.#batches.next(batch);
    const { malformed, ahead } = this.#kills.take(batch);
    const lost = this.#closing ? [] : this.#losses.take(this.#reader.counters());
    for (const event of [...this.#losses.malformed(malformed), ...lost]) this.#kills.push(event);
    if (ahead && !this.#closing) {
      this.#rehearsal.play();
      this.#reader.spinForRecord(SPIN_US);
    }
  }

  /** Whoever listens to the events hears of it. */
  #fail(error: unknown): void {
    this.#events.error(error);
    this.close();
  }

  #emit(event: Event): void {
    if (event.type === 'oom.kill') this.#reports?.onKill(event);
    this.#events.next(event);
  }

  #startedEvent(): TracerStarted {
    const now = process.hrtime.bigint();
    const startMs = Number(now - this.#openedAt) / 1e6;
    const active = this.#loaded.choices.filter((choice) => choice.backend !== 'none').length;
    const watching = this.pressure ? ` ${this.pressure.started.message}` : '';
    const message = `Tracing OOM kills with ${active} of ${this.#loaded.choices.length} hooks.${watching}`;
    const hooks = this.#loaded.choices.map(({ hook, backend, program, reason }) => ({
      hook,
      backend,
      program: program ?? null,
      reason,
    }));
    const forPressure = this.pressure?.started.hooks.map((state) => ({ ...state, hook: `pressure.${state.hook}` }));
    return {
      ...this.#envelopes.next(now, realtimeOffsetNs(), 'info', 'oomscope', message),
      type: 'tracer.started',
      version: VERSION,
      kernel: release(),
      libbpf: this.#loaded.libbpf,
      cgroup_version: memoryHierarchy()?.version ?? null,
      hooks: [...hooks, ...(forPressure ?? [])],
      start_ns: Math.round(startMs * 1e6),
    };
  }

  #stoppedEvent(): TracerStopped {
    const now = process.hrtime.bigint();
    const seconds = Math.round(Number(now - this.#openedAt) / 1e6) / 1000;
    const kills = { ...this.#kills.counts };
    const total = sum(Object.values(kills));
    const lost = this.#losses.total + sum(Object.values(this.pressure?.lostSoFar() ?? {}));
    const message = `Stopped after ${seconds} s: ${total} kill${total === 1 ? '' : 's'}, ${lost} lost.`;
    return {
      ...this.#envelopes.next(now, realtimeOffsetNs(), 'info', 'oomscope', message),
      type: 'tracer.stopped',
      kills,
      lost_total: lost,
      duration_ns: Number(now - this.#openedAt),
    };
  }
}
