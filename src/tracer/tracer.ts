/**
 * The tracer: BPF programs write records to a ring, native threads read the ring, and RxJS streams emit events.
 */

import { availableParallelism } from 'node:os';
import { filter, type Observable, Subject } from 'rxjs';
import { CleanupStack } from '../bpf/load/cleanup-stack.ts';
import { AttachedRing } from '../bpf/load/ring.ts';
import { type LoadedTracer, loadTracer } from '../bpf/load/tracer-loader.ts';
import type { Batch } from '../bpf/wire/batch.ts';
import { lossesByName } from '../bpf/wire/counters.ts';
import { killLayout } from '../bpf/wire/kill-layout.ts';
import { RecordKind } from '../bpf/wire/layout.ts';
import { ownerOf } from '../containers/container-path.ts';
import { ContainerResolver } from '../containers/container-resolver.ts';
import { EnvelopeFactory, realtimeOffsetNs } from '../events/envelope.ts';
import { EventQueue } from '../events/event-queue.ts';
import { LossCounter, sum } from '../events/loss-counter.ts';
import { OrderedOutbox } from '../events/ordered-outbox.ts';
import { startedEvent } from '../events/started.ts';
import type { KillWatch } from '../killers/kill-watch.ts';
import { Cgroupfs } from '../linux/cgroupfs.ts';
import { SystemProbe } from '../linux/system-probe.ts';
import type { CgroupOwner } from '../model/container.ts';
import type { Event, OomKill, TracerLost, TracerStarted, TracerStopped } from '../model/events.ts';
import type { PressureLevel } from '../model/pressure.ts';
import { loadNative } from '../native/addon.ts';
import type { PressureMonitor } from '../pressure/monitor.ts';
import { namedPressure } from '../pressure/named-pressure.ts';
import { refuseUnknownOptions } from '../text/unknown-option.ts';
import { KillDecoder } from './kill-decoder.ts';
import { killReason, stoppedMessage } from './message.ts';
import { type TracerOptions, tracerOptionNames } from './options.ts';
import { checkedRingBytes, loadParts, openLeadUps, type TracerParts } from './parts.ts';
import { Rehearsal } from './rehearsal.ts';
import type { ReportMatcher } from './report-matcher.ts';

export type { TracerOptions } from './options.ts';

/**
 * Opens a tracer: loads and attaches the BPF programs and starts reading. It keeps the process alive until closed.
 *
 * @throws OomscopeError NOT_PERMITTED, NO_BTF, KERNEL_TOO_OLD, LIBBPF_MISSING, ADDON_MISSING,
 *   OBJECT_MISSING, LIBBPF, USAGE
 */
export const openTracer = (options: TracerOptions = {}): Promise<Tracer> => openTracerWith(options);

/**
 * Does the same as `openTracer()` for a tracer whose events are part of a larger stream.
 *
 * @param envelopes numbers all events of the stream
 */
export async function openTracerWith(options: TracerOptions, envelopes = new EnvelopeFactory()): Promise<Tracer> {
  refuseUnknownOptions('openTracer()', options, tracerOptionNames);
  const parts = await loadParts(options, envelopes);
  try {
    return new Tracer(options, parts);
  } catch (error) {
    parts.pressure?.close();
    throw error;
  }
}

/**
 * Traces OOM kills until it is closed. `openTracer()` opens it; `for await` reads its events through a bounded queue.
 */
export class Tracer implements AsyncIterable<Event>, Disposable, AsyncDisposable {
  /** The versions of the kernel and libbpf, and which program is attached to which hook. */
  readonly started: TracerStarted;
  /** Every event, complete, frozen and in order. Hot: a subscriber does not get events from before its subscription. */
  readonly events$: Observable<Event>;
  /** The `oom.kill` events of `events$`. */
  readonly oomKills$: Observable<OomKill>;
  /** The `tracer.lost` events of `events$`: they count every record and event that was lost. */
  readonly lost$: Observable<TracerLost>;
  /** The ring's records in batches, before they are decoded: the fastest way to get them. A subscriber may keep one. */
  readonly batches$: Observable<Batch>;
  /** The pressure monitor, with its totals and streams; only with the option `pressure`. The tracer closes it. */
  readonly pressure: PressureMonitor | undefined;
  /** Watches every death by a signal; only with the option `allKills`. The tracer closes it. */
  readonly killWatch: KillWatch | undefined;
  /** The `pressure.level` events of `events$`. Without the option `pressure` there are none. */
  readonly pressure$: Observable<PressureLevel>;
  /** The owner of a cgroup, with the names that are known so far. */
  readonly ownerOf: (path: string | null) => CgroupOwner;
  /** Kernel ids of the tracer's maps. */
  readonly mapIds: { ring: number; counters: number };

  readonly #events = new Subject<Event>();
  readonly #batches = new Subject<Batch>();
  /** Keeps events in order: while a kill is still being completed, the events after it wait here. */
  readonly #outbox = new OrderedOutbox<Event>((event) => this.#emit(event));
  readonly #envelopes: EnvelopeFactory;
  readonly #losses: LossCounter;
  readonly #loaded: LoadedTracer;
  readonly #kills: KillDecoder;
  readonly #rehearsal: Rehearsal;
  readonly #ring: AttachedRing;
  readonly #reports: ReportMatcher | undefined;
  /** Everything that the tracer has opened and must close, such as the ring. */
  readonly #opened: CleanupStack;
  readonly #openedAt: bigint;
  readonly #signal: AbortSignal | undefined;
  readonly #onAbort = () => this.close();
  #closing = false;

  constructor(options: TracerOptions, parts: TracerParts = {}) {
    const { envelopes = new EnvelopeFactory(), reportMatcher, openKills, pressure } = parts;
    this.#openedAt = BigInt(pressure?.started.mono_ns ?? process.hrtime.bigint());
    this.#envelopes = envelopes;
    this.#losses = new LossCounter(envelopes);
    this.pressure = pressure;
    this.events$ = this.#events.asObservable();
    const only = <T extends Event>(type: T['type']): Observable<T> =>
      this.events$.pipe(filter((event): event is T => event.type === type));
    this.oomKills$ = only<OomKill>('oom.kill');
    this.lost$ = only<TracerLost>('tracer.lost');
    this.pressure$ = only<PressureLevel>('pressure.level');
    this.batches$ = this.#batches.asObservable();
    this.#signal = options.signal;
    this.#signal?.throwIfAborted();

    using opened = new CleanupStack();
    const { candidates = 'system', backend } = options;
    this.#loaded = opened.use(loadTracer({ ringBytes: checkedRingBytes(options.ringBytes), candidates, backend }));
    this.mapIds = this.#loaded.mapIds;
    const cgroups = Cgroupfs.find();
    const place = cgroups && { mount: cgroups.directory('/'), version: cgroups.version };
    const system = opened.use(new SystemProbe({ cgroups: place, layout: killLayout }));
    const machine = { pageBytes: loadNative().pageSize(), cpus: availableParallelism(), gfp: this.#loaded.gfp };
    const leadUps = options.leadUp ? opened.use(openLeadUps(pressure)) : undefined;
    const containers = this.#openContainers(options.containers, opened);
    this.ownerOf = containers ? (path) => containers.ownerOf(path) : ownerOf;
    const onError = (error: unknown) => this.#fail(error);
    const sources = { machine, system, cgroups, containers, leadUps };
    this.#kills = new KillDecoder({
      ...sources,
      envelopes,
      readProc: options.readProc ?? true,
      outbox: this.#outbox,
      onError,
    });
    // The reports are closed after the ring, because a report may belong to one of the last kills in the ring.
    this.#reports = reportMatcher && opened.use(this.#openReports(reportMatcher));
    const reports = this.#reports;
    this.#rehearsal = opened.use(new Rehearsal({ owner: this, ...sources, send: this.#loaded.rehearse, reports }));
    this.killWatch = openKills?.({ ...{ envelopes, containers }, emit: (event) => this.#outbox.push(event), onError });
    if (this.killWatch) opened.use(this.killWatch);
    this.#ring = opened.use(this.#openRing(options.batchBytes, system.forRing));
    leadUps?.start();
    loadNative().trimHeap();
    pressure?.events$.subscribe({
      next: (event) => this.#outbox.push(containers ? namedPressure(event, this.ownerOf) : event),
      error: (error: unknown) => this.#fail(error),
    });
    this.started = this.#startedEvent();
    this.#rehearsal.begin();
    this.#signal?.addEventListener('abort', this.#onAbort, { once: true });
    this.#opened = opened.move();
  }

  /** Detaches, stops the threads, emits the events that are still held, and completes the streams. Idempotent. */
  close(): void {
    if (this.#closing) return;
    this.#closing = true;
    this.#signal?.removeEventListener('abort', this.#onAbort);
    this.pressure?.close();
    this.#ring.detach();
    const lost = this.#losses.take(this.#ring.reader.counters());
    this.#opened.close();
    this.#outbox.flush();
    this.#kills.close();
    for (const event of [...lost, this.#stoppedEvent()]) this.#outbox.push(event);
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
   * The events, one by one. Up to 10,000 events wait for a slow reader; then the oldest are dropped, and a
   * `tracer.lost` event counts them. Leaving the loop does not close the tracer.
   */
  [Symbol.asyncIterator](): AsyncIterator<Event> {
    return new EventQueue(this.events$, 10_000, (count) => this.lostBehind(count));
  }

  /**
   * Returns a `tracer.lost` event for a receiver that had to drop events. The event is not emitted in `events$`.
   *
   * @param dropped how many events were dropped, by type
   */
  lostBehind(dropped: Record<string, number>): TracerLost {
    return this.#losses.behind(dropped);
  }

  /** How many records were lost so far because the ring was full, by kind. */
  lostSoFar(): Record<string, number> {
    return lossesByName(this.#closing ? this.#losses.counters : this.#ring.reader.counters());
  }

  #openContainers(option: TracerOptions['containers'] = true, opened: CleanupStack): ContainerResolver | undefined {
    if (option === false || option instanceof ContainerResolver) return option || undefined;
    const onLost = (count: number) => this.#outbox.push(this.#losses.runtime(count));
    const containers = opened.use(new ContainerResolver({ onLost, ...(option === true ? {} : option) }));
    containers.start().catch((error: unknown) => this.#fail(error));
    return containers;
  }

  #openRing(batchBytes: number | undefined, probe: SystemProbe['forRing']): AttachedRing {
    return new AttachedRing(this.#loaded, {
      onBatch: (batch) => this.#onBatch(batch),
      onError: (error) => this.#fail(error),
      urgentKinds: [RecordKind.RECORD_OOM_KILL, RecordKind.RECORD_OOM_IMMINENT, RecordKind.RECORD_REHEARSAL],
      probe,
      batchBytes,
    });
  }

  #openReports(reportMatcher: typeof ReportMatcher): ReportMatcher {
    const typed = this.#loaded.choices.some(({ hook, backend }) => hook === 'mark_victim' && backend === 'tp_btf');
    return new reportMatcher({
      backend: typed ? 'tp_btf' : 'raw_tp',
      envelopes: this.#envelopes,
      push: (event) => this.#outbox.push(event),
      onError: (error) => this.#events.error(error),
    });
  }

  #onBatch(received: Batch): void {
    const batch = this.#rehearsal.takeFrom(received);
    if (!batch) return void this.#ring.reader.counters(); // a rehearsal reads them, too
    this.#batches.next(batch);
    const malformed = batch.walk((kind, at) => {
      this.#kills.take(kind, at, batch);
      if (kind === RecordKind.RECORD_OOM_KILL) this.#rehearsal.warmed();
      else if (kind === RecordKind.RECORD_OOM_IMMINENT) this.#rehearsal.soon();
    });
    this.#kills.endBatch();
    const lost = this.#closing ? [] : this.#losses.take(this.#ring.reader.counters());
    for (const event of [...this.#losses.malformed(malformed), ...lost]) this.#outbox.push(event);
  }

  /** Ends `events$` with an error, and closes the tracer, unless the constructor has thrown and closed everything. */
  #fail(error: unknown): void {
    this.#events.error(error);
    if (this.#ring !== undefined) this.close();
  }

  /** Freezes and emits an event that is complete. */
  #emit(event: Event): void {
    Object.freeze(event);
    this.#events.next(event);
    // After the kill was emitted: a report that waits for this kill is emitted at once.
    if (event.type !== 'oom.kill') return;
    this.#reports?.onKill(event);
    this.killWatch?.onOomKill(event, killReason(event));
  }

  #startedEvent(): TracerStarted {
    const { choices, libbpf } = this.#loaded;
    const active = choices.filter(({ backend }) => backend !== 'none').length;
    const watching = this.pressure ? ` ${this.pressure.started.message}` : '';
    const message = `Tracing OOM kills${this.killWatch ? ' and other fatal signals' : ''} with ${active} of ${choices.length} hooks.${watching}`;
    const forPressure = this.pressure?.started.hooks ?? [];
    const hooks = [
      ...choices,
      ...(this.killWatch?.hooks ?? []),
      ...forPressure.map((state) => ({ ...state, hook: `pressure.${state.hook}` })),
    ];
    return startedEvent(this.#envelopes, { message, hooks, libbpf, sinceNs: this.#openedAt });
  }

  #stoppedEvent(): TracerStopped {
    const now = process.hrtime.bigint();
    const others = [this.pressure, this.killWatch].flatMap((one) => Object.values(one?.lostSoFar() ?? {}));
    const facts = {
      kills: { ...this.#kills.counts },
      kills_hidden: 0,
      lost_total: this.#losses.total + sum(others),
      duration_ns: Number(now - this.#openedAt),
    };
    return {
      ...this.#envelopes.next(now, realtimeOffsetNs(), 'info', 'oomscope', stoppedMessage(facts)),
      type: 'tracer.stopped',
      ...facts,
    };
  }
}
