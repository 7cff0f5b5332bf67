import { filter, type Observable, Subject } from 'rxjs';
import { type LoadedPressure, loadPressure, type PressureObject } from '../bpf/load/pressure-loader.ts';
import { AttachedRing } from '../bpf/load/ring.ts';
import type { Batch } from '../bpf/wire/batch.ts';
import { lossesByName } from '../bpf/wire/counters.ts';
import { RecordKind } from '../bpf/wire/layout.ts';
import { EnvelopeFactory } from '../events/envelope.ts';
import { LossCounter } from '../events/loss-counter.ts';
import { startedEvent } from '../events/started.ts';
import { CgroupPathCache } from '../linux/cgroup-path-cache.ts';
import { KernelSymbols } from '../linux/kallsyms.ts';
import type { StallTotals } from '../linux/psi.ts';
import type { TracerLost, TracerStarted } from '../model/events.ts';
import type { PressureCountdown, PressureLevel, PressureStall, PressureWindow } from '../model/pressure.ts';
import { loadNative } from '../native/addon.ts';
import { cgroupMatch } from '../text/glob.ts';
import { defaultWindows, type PressureOptions, pressureConfig } from './options.ts';
import { PressureDecoder, type PressureEvent } from './pressure-decoder.ts';
import { GroupTotals, type PressureTotals } from './totals.ts';

export type { LevelShares, PressureOptions, PressureWindowOptions } from './options.ts';
export { defaultWindows } from './options.ts';
export type { PressureTotals } from './totals.ts';

/**
 * Opens a monitor of memory pressure: loads and attaches its BPF programs and starts reading. The caller owns the
 * monitor and must close it; until then it keeps the process alive.
 *
 * @throws OomscopeError NOT_PERMITTED, NO_BTF, KERNEL_TOO_OLD, LIBBPF_MISSING, ADDON_MISSING, OBJECT_MISSING, LIBBPF,
 *   USAGE
 */
export async function openPressure(options: PressureOptions = {}): Promise<PressureMonitor> {
  return new PressureMonitor(options);
}

/**
 * On kernels without BPF timers, levels are recomputed only at a stall, so this process runs tick() at this interval.
 */
const TICK_MS = 250;

/**
 * Memory pressure, measured in the kernel by BPF programs: levels, single stalls, and the countdown to the OOM killer.
 */
export class PressureMonitor implements Disposable, AsyncDisposable {
  /** The `tracer.started` event: which program serves which hook, and why. */
  readonly started: TracerStarted;
  /** All events, in order. Hot: a late subscriber misses earlier events. Errors if the ring buffer cannot be read. */
  readonly events$: Observable<PressureEvent | TracerLost>;
  /** Changes of the levels of the system and of cgroups. */
  readonly pressure$: Observable<PressureLevel>;
  /** Single stalls that last at least `stallMs`. */
  readonly stalls$: Observable<PressureStall>;
  /** Rounds of reclaim that freed nothing; after 16 of them the kernel invokes its OOM killer. */
  readonly countdown$: Observable<PressureCountdown>;
  /** Events about lost records. */
  readonly lost$: Observable<TracerLost>;

  readonly #events = new Subject<PressureEvent | TracerLost>();
  readonly #envelopes: EnvelopeFactory;
  readonly #losses: LossCounter;
  readonly #windowsMs: number[];
  readonly #loaded: LoadedPressure;
  readonly #ring: AttachedRing;
  readonly #decoder: PressureDecoder;
  readonly #paths = new CgroupPathCache();
  readonly #totals: GroupTotals;
  readonly #full: boolean;
  readonly #ticker: NodeJS.Timeout | undefined;
  readonly #signal: AbortSignal | undefined;
  readonly #onAbort = () => this.close();
  #symbols: KernelSymbols | undefined;
  #closing = false;

  /**
   * @param envelopes the EnvelopeFactory of the tracer whose stream contains the monitor's events
   * @param object a BPF object with additional programs, for tests
   */
  constructor(options: PressureOptions = {}, envelopes = new EnvelopeFactory(), object?: PressureObject) {
    const openedAt = process.hrtime.bigint();
    const native = loadNative();
    const config = pressureConfig(options);
    this.#envelopes = envelopes;
    this.#losses = new LossCounter(envelopes);
    this.#windowsMs = (options.windows ?? defaultWindows).map(({ ms }) => ms);
    this.events$ = this.#events.asObservable();
    const only = <T extends PressureEvent | TracerLost>(type: T['type']): Observable<T> =>
      this.events$.pipe(filter((event): event is T => event.type === type));
    this.pressure$ = only<PressureLevel>('pressure.level');
    this.stalls$ = only<PressureStall>('pressure.stall');
    this.countdown$ = only<PressureCountdown>('pressure.countdown');
    this.lost$ = only<TracerLost>('tracer.lost');
    this.#signal = options.signal;
    this.#signal?.throwIfAborted();

    this.#loaded = loadPressure(config, object);
    this.#full = this.#loaded.choices.some(({ hook, program }) => hook === 'sched_switch' && program !== undefined);
    const globs = options.cgroups;
    this.#decoder = new PressureDecoder({
      envelopes,
      paths: this.#paths,
      windowsMs: this.#windowsMs,
      full: this.#full,
      stack: (id) => this.#stack(id),
      wants: (path) => globs === undefined || globs.some((glob) => cgroupMatch(glob, path)),
      emit: (event) => this.#events.next(event),
      onGroup: () => this.#totals.added(),
    });
    const subject = (id: bigint) => this.#decoder.subject(id);
    this.#totals = new GroupTotals(this.#loaded.groups, { windowsMs: this.#windowsMs, full: this.#full, subject });
    this.#loaded.stacks.prepare();
    this.#ring = new AttachedRing(this.#loaded, {
      onBatch: (batch) => this.#onBatch(batch),
      onError: (error) => this.#fail(error),
      urgentKinds: [RecordKind.RECORD_PRESSURE_STALL, RecordKind.RECORD_PRESSURE_COUNTDOWN],
    });
    native.trimHeap();
    if (this.#loaded.choices.some(({ backend }) => backend === 'hooks')) {
      this.#ticker = setInterval(() => this.#loaded.tick(), TICK_MS);
    }
    this.started = this.#startedEvent(openedAt);
    this.#signal?.addEventListener('abort', this.#onAbort, { once: true });
  }

  /**
   * The totals since the monitor was opened: first of the system, then of every cgroup in which a task was stalled.
   * Takes about 20 µs for each. Empty after close().
   */
  totals(): PressureTotals[] {
    return this.#closing ? [] : this.#totals.all();
  }

  /**
   * The `windows` of one cgroup, as in totals(), for a caller that needs them many times a second. undefined: no task of
   * the cgroup was ever stalled, or it does not exist, or the monitor is closed.
   *
   * @param path the path of the cgroup; "/" is the system
   */
  windowsOf(path: string): PressureWindow[] | undefined {
    const id = path === '/' ? 0n : this.#paths.id(path);
    return id === undefined || this.#closing ? undefined : this.#totals.windows(id);
  }

  /**
   * The stalled times of one cgroup since the monitor was opened. All 0: no task of it was ever stalled. null: the monitor
   * is closed.
   *
   * @param path the path of the cgroup; "/" is the system
   */
  stalledOf(path: string): StallTotals | null {
    if (this.#closing) return null;
    const id = path === '/' ? 0n : this.#paths.id(path);
    return (
      (id === undefined ? undefined : this.#totals.stalled(id)) ?? { someUs: 0, fullUs: this.#full ? 0 : Number.NaN }
    );
  }

  /** Losses in the kernel so far: lost records by kind, and stalls that were not counted because a map was full. */
  lostSoFar(): Record<string, number> {
    return lossesByName(this.#closing ? this.#losses.counters : this.#ring.reader.counters());
  }

  /** Detaches the BPF programs, stops the threads and completes the streams. Idempotent. */
  close(): void {
    if (this.#closing) return;
    this.#closing = true;
    clearInterval(this.#ticker);
    this.#signal?.removeEventListener('abort', this.#onAbort);
    this.#ring.detach();
    const counters = this.#ring.reader.counters();
    this.#ring.close();
    this.#decoder.close();
    this.#reportLost(counters);
    this.#events.complete();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
  }

  #onBatch(batch: Batch): void {
    for (const lost of this.#losses.malformed(this.#decoder.decode(batch))) this.#events.next(lost);
    if (!this.#closing) this.#reportLost(this.#ring.reader.counters());
  }

  #fail(error: unknown): void {
    this.#events.error(error);
    this.close();
  }

  #reportLost(counters: readonly number[]): void {
    for (const lost of this.#losses.take(counters)) this.#events.next(lost);
  }

  /** The frames of a stack, innermost first. null: the map of stacks no longer has it. */
  #stack(id: number): string[] | null {
    const key = Buffer.alloc(4);
    key.writeUInt32LE(id);
    const frames = this.#closing ? undefined : this.#loaded.stacks.lookup(key);
    if (!frames) return null;
    this.#symbols ??= new KernelSymbols();
    const named: string[] = [];
    for (let at = 0; at < frames.length && frames.readBigUInt64LE(at) !== 0n; at += 8) {
      named.push(this.#symbols.name(frames.readBigUInt64LE(at)));
    }
    return named;
  }

  #startedEvent(sinceNs: bigint): TracerStarted {
    const { choices: hooks, libbpf } = this.#loaded;
    const by = hooks.find(({ hook }) => hook === 'memstall_enter')?.backend;
    const how =
      by === 'none' ? 'tracepoints of reclaim, compaction and the scheduler' : `${by} on psi_memstall_enter()`;
    const message = `Watching memory pressure by ${how}.`;
    return startedEvent(this.#envelopes, { message, hooks, libbpf, sinceNs });
  }
}
