/**
 * Everything about memory that gets tight, in one stream: pressure (by BPF, or by the kernel's PSI files), usage, and at
 * critical what could be done. What `oomscope pressure` shows.
 */
import { type Observable, Subject } from 'rxjs';
import { ownerOf } from '../containers/container-path.ts';
import { EnvelopeFactory, realtimeOffsetNs } from '../events/envelope.ts';
import { LossCounter } from '../events/loss-counter.ts';
import { startedEvent } from '../events/started.ts';
import { Cgroupfs } from '../linux/cgroupfs.ts';
import { type Reading, Survey } from '../memory/survey.ts';
import { defaultLevels, UsageWatch } from '../memory/usage.ts';
import { OomscopeError } from '../model/error.ts';
import type { Event, TracerLost, TracerStarted } from '../model/events.ts';
import { levelIndex } from '../model/level.ts';
import type { Growth, PressureLevelName, PressureSubject } from '../model/pressure.ts';
import { growthOf } from '../series/growth.ts';
import { subjectKey } from '../stream/subject-key.ts';
import { isWithin } from '../text/cgroup-path.ts';
import { cgroupMatch } from '../text/glob.ts';
import type { PressureMonitor, PressureOptions } from './monitor.ts';
import { PsiLevels } from './psi-levels.ts';
import { type ReclaimOrder, reclaim, reclaimMessage } from './reclaim.ts';
import { suggestionFor } from './suggestion.ts';

export interface MemoryWatchOptions {
  /**
   * Where levels of pressure come from: BPF programs; the kernel's PSI files, which need no privilege but come late and know
   * neither causes nor single stalls; or (the default) BPF, and PSI where that is not possible.
   */
  source?: 'bpf' | 'psi' | 'best';
  /** For the BPF programs. */
  pressure?: Omit<PressureOptions, 'cgroups' | 'signal'>;
  /** Only these cgroups, and what is below them: globs. None: all. The system is always watched. */
  cgroups?: readonly string[];
  /** How often to look at usage, and at PSI where it is used. Default 1000. */
  intervalMs?: number;
  /** Reclaimed when the system, or the cgroup or one above it, becomes critical; once in 10 s at most. */
  reclaim?: readonly ReclaimOrder[];
}

/** One line of the view: the system or a cgroup, now. */
export interface MemoryRow {
  subject: PressureSubject;
  level: PressureLevelName;
  some: number | null;
  full: number | null;
  usedBytes: number;
  limitBytes: number | null;
  availableBytes: number;
  growth: Growth | null;
}

const RECLAIM_PAUSE_MS = 10_000;

/**
 * @throws OomscopeError USAGE; with `source: 'bpf'` what openPressure throws
 */
export async function openMemoryWatch(options: MemoryWatchOptions = {}): Promise<MemoryWatch> {
  const envelopes = new EnvelopeFactory();
  if (options.source === 'psi') return new MemoryWatch(options, envelopes, undefined, 'asked for');
  try {
    const { PressureMonitor } = await import('./monitor.ts');
    const { cgroups } = options;
    const monitor = new PressureMonitor({ ...options.pressure, ...(cgroups?.length && { cgroups }) }, envelopes);
    return new MemoryWatch(options, envelopes, monitor, '');
  } catch (error) {
    const fallBack = error instanceof OomscopeError && error.code !== 'USAGE' && options.source !== 'bpf';
    if (!fallBack) throw error;
    return new MemoryWatch(options, envelopes, undefined, error.message);
  }
}

export class MemoryWatch implements Disposable {
  readonly started: TracerStarted;
  /** Pressure, usage, suggestions, losses: in order. Hot. */
  readonly events$: Observable<Event>;
  /** After each look. */
  readonly ticks$: Observable<void>;
  /** false: levels come from PSI. */
  readonly bpf: boolean;
  readonly #events = new Subject<Event>();
  readonly #ticks = new Subject<void>();
  readonly #options: MemoryWatchOptions;
  readonly #envelopes: EnvelopeFactory;
  readonly #losses: LossCounter;
  readonly #monitor: PressureMonitor | undefined;
  readonly #cgroups = Cgroupfs.find();
  readonly #survey = new Survey({ cgroups: this.#cgroups, mostGroups: 1024 });
  readonly #usage: UsageWatch;
  readonly #psi: PsiLevels | undefined;
  readonly #timer: NodeJS.Timeout;
  readonly #reclaimedMs = new Map<ReclaimOrder, number>();

  constructor(
    options: MemoryWatchOptions,
    envelopes: EnvelopeFactory,
    monitor: PressureMonitor | undefined,
    /** Why PSI. */
    reason: string,
  ) {
    this.#options = options;
    this.#envelopes = envelopes;
    this.#losses = new LossCounter(envelopes);
    this.#monitor = monitor;
    this.bpf = monitor !== undefined;
    this.events$ = this.#events.asObservable();
    this.ticks$ = this.#ticks.asObservable();
    const wants = (path: string) => this.wants(path);
    this.#usage = new UsageWatch(this.#survey, defaultLevels, { wants, envelopes }, (event) => this.#emit(event));
    if (monitor) {
      monitor.events$.subscribe({
        next: (event) => this.#emit(event),
        error: (error) => this.#events.error(error),
      });
    } else {
      this.#psi = new PsiLevels(this.#survey, envelopes, wants, (event) => this.#emit(event));
    }
    this.started = monitor?.started ?? startedByPsi(envelopes, reason);
    this.#timer = setInterval(() => this.#look(), options.intervalMs ?? 1000);
    setImmediate(() => this.#look());
  }

  wants(path: string): boolean {
    const { cgroups = [] } = this.#options;
    return cgroups.length === 0 || cgroups.some((glob) => cgroupMatch(glob, path));
  }

  /** Is there a cgroup of this path, as of the last look? */
  has(path: string): boolean {
    return this.#survey.groups.has(path);
  }

  /** The system first, then the cgroups that are asked for. */
  rows(): MemoryRow[] {
    const totals = new Map(this.#monitor?.totals().map((each) => [subjectKey(each.subject), each]));
    const row = (reading: Reading): MemoryRow => {
      const { subject, usedBytes, limitBytes, availableBytes } = reading;
      const total = totals.get(subjectKey(subject));
      const window = total?.windows.at(-1);
      const some = this.bpf ? (window?.some ?? 0) : reading.some;
      const full = this.bpf ? (window ? window.full : 0) : reading.full;
      const level = total?.level ?? this.#psi?.levelOf(reading) ?? 'normal';
      const growth = growthOf(reading.growth.slope(), availableBytes);
      return { subject, level, some, full, usedBytes, limitBytes, availableBytes, growth };
    };
    const wanted = [...this.#survey.groups].filter(([path]) => this.wants(path));
    return [this.#survey.system, ...wanted.map(([, group]) => group)].map(row);
  }

  /** Total and free, in bytes. */
  swap(): { totalBytes: number; freeBytes: number } {
    const { swapTotalBytes, swapFreeBytes } = this.#survey.system;
    return { totalBytes: swapTotalBytes, freeBytes: swapFreeBytes };
  }

  /** For whoever hands events on and had to drop some. */
  lostBehind(dropped: Record<string, number>): TracerLost {
    return this.#losses.behind(dropped);
  }

  close(): void {
    clearInterval(this.#timer);
    this.#monitor?.close();
    this.#survey.close();
    this.#events.complete();
    this.#ticks.complete();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #look(): void {
    try {
      const now = this.#survey.sample();
      this.#psi?.look(now);
      this.#usage.look(now);
      this.#ticks.next();
    } catch (error) {
      this.#events.error(error);
    }
  }

  #emit(event: Event): void {
    this.#events.next(event);
    if (event.type !== 'pressure.level' && event.type !== 'memory.usage') return;
    if (event.level !== 'critical' || levelIndex(event.previous) >= levelIndex('critical')) return;
    this.#events.next(suggestionFor(this.#survey, event, this.#envelopes));
    for (const order of this.#options.reclaim ?? []) {
      const { scope, path } = event.subject;
      if (scope === 'system' || isWithin(order.cgroup, path)) {
        void this.#reclaim(order, event.id);
      }
    }
  }

  async #reclaim(order: ReclaimOrder, becauseId: string): Promise<void> {
    const now = performance.now();
    if (!this.#cgroups || now - (this.#reclaimedMs.get(order) ?? Number.NEGATIVE_INFINITY) < RECLAIM_PAUSE_MS) return;
    this.#reclaimedMs.set(order, now);
    const facts = await reclaim(order, this.#cgroups);
    const severity = facts.outcome === 'failed' ? 'warning' : 'info';
    const mono = process.hrtime.bigint();
    const envelope = this.#envelopes.next(
      mono,
      realtimeOffsetNs(),
      severity,
      'oomscope:reclaim',
      reclaimMessage(facts),
    );
    this.#events.next({
      ...envelope,
      type: 'memory.reclaimed',
      because_id: becauseId,
      ...facts,
      ...ownerOf(facts.cgroup),
    });
  }
}

function startedByPsi(envelopes: EnvelopeFactory, reason: string): TracerStarted {
  const message = 'Watching memory pressure by the kernel’s PSI files.';
  return startedEvent(envelopes, { message, hooks: [{ hook: 'psi', backend: 'none', reason }] });
}
