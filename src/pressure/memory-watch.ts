import { type Observable, Subject } from 'rxjs';
import { EnvelopeFactory } from '../events/envelope.ts';
import { LossCounter } from '../events/loss-counter.ts';
import { startedEvent } from '../events/started.ts';
import { Cgroupfs } from '../linux/cgroupfs.ts';
import { type Reading, Survey } from '../memory/survey.ts';
import { defaultLevels, UsageLevelTracker } from '../memory/usage.ts';
import type { CgroupOwner } from '../model/container.ts';
import { OomscopeError } from '../model/error.ts';
import type { Event, TracerLost, TracerStarted } from '../model/events.ts';
import { levelIndex } from '../model/level.ts';
import type { PressureLevel, UsageLevel } from '../model/pressure.ts';
import type { MemoryShortage } from '../model/shortage.ts';
import { cgroupAncestors } from '../text/cgroup-path.ts';
import { cgroupMatch } from '../text/glob.ts';
import { type MemoryRow, memoryRows } from './memory-rows.ts';
import type { PressureMonitor, PressureOptions } from './monitor.ts';
import { namedPressure } from './named-pressure.ts';
import { type Profile, reportedBy } from './profile.ts';
import { PsiLevelTracker } from './psi-level-tracker.ts';
import { Reclaimer, type ReclaimOrder } from './reclaim.ts';
import { openShortageWatch, type ShortageWatch } from './shortage-watch.ts';
import { type Shortage, shortageOf, suggestionFor } from './suggestion.ts';

export interface MemoryWatchOptions {
  /**
   * The source of the levels of pressure. `bpf`: BPF programs. `psi`: the kernel's PSI files, which need no privilege,
   * but are slower and report neither causes nor single stalls. `best`, the default: BPF if possible, otherwise PSI.
   */
  source?: 'bpf' | 'psi' | 'best';
  /** When memory counts as short. `fast`: raw levels are reported, and no `memory.shortage`. Default `default`. */
  profile?: Profile;
  /** The owner of a cgroup, with the names of its container and pod. Default: only their ids. */
  ownerOf?: (path: string) => CgroupOwner;
  /** Options of the BPF programs. */
  pressure?: Omit<PressureOptions, 'cgroups' | 'signal'>;
  /** Globs for paths of cgroups; cgroups below a match are included. Default: all. The system is always watched. */
  cgroups?: readonly string[];
  /** The interval between samples of usage, and of PSI if that is the source, in milliseconds. Default 1000. */
  intervalMs?: number;
  /** Cgroups to reclaim memory from when the system, the cgroup itself or a cgroup above it becomes critical. */
  reclaim?: readonly ReclaimOrder[];
}

/** Starts to watch. @throws OomscopeError USAGE; with `source: 'bpf'` also the errors of openPressure() */
export async function openMemoryWatch(options: MemoryWatchOptions = {}): Promise<MemoryWatch> {
  const envelopes = new EnvelopeFactory();
  if (options.source === 'psi') return new MemoryWatch(options, envelopes, { whyPsi: 'asked for' });
  try {
    const { PressureMonitor } = await import('./monitor.ts');
    const { cgroups } = options;
    const monitor = new PressureMonitor({ ...options.pressure, ...(cgroups?.length && { cgroups }) }, envelopes);
    return new MemoryWatch(options, envelopes, { monitor });
  } catch (error) {
    const fallBack = error instanceof OomscopeError && error.code !== 'USAGE' && options.source !== 'bpf';
    if (!fallBack) throw error;
    return new MemoryWatch(options, envelopes, { whyPsi: error.message });
  }
}

/**
 * One stream of all events about a shortage of memory: pressure (from BPF programs or from the kernel's PSI files),
 * usage, and suggestions at the level `critical`. `oomscope pressure` shows this stream.
 */
export class MemoryWatch implements Disposable {
  readonly started: TracerStarted;
  /**
   * The events of pressure, usage, suggestions, reclaims and losses, in order. Hot: a late subscriber misses earlier
   * ones.
   */
  readonly events$: Observable<Event>;
  /** Emits after each sample. */
  readonly ticks$: Observable<void>;
  /** Whether levels of pressure come from BPF programs. false: they come from PSI. */
  readonly bpf: boolean;
  readonly #events = new Subject<Event>();
  readonly #ticks = new Subject<void>();
  readonly #ownerOf: MemoryWatchOptions['ownerOf'];
  readonly #globs: readonly string[];
  readonly #envelopes: EnvelopeFactory;
  readonly #losses: LossCounter;
  readonly #monitor: PressureMonitor | undefined;
  readonly #cgroups: Cgroupfs | undefined;
  readonly #survey: Survey;
  readonly #usage: UsageLevelTracker;
  readonly #psi: PsiLevelTracker;
  readonly #reclaimer: Reclaimer | undefined;
  readonly #shortage: ShortageWatch | undefined;
  readonly #timer: NodeJS.Timeout;

  constructor(
    options: MemoryWatchOptions,
    envelopes: EnvelopeFactory,
    source: { monitor: PressureMonitor } | { whyPsi: string },
  ) {
    this.#ownerOf = options.ownerOf;
    this.#globs = options.cgroups ?? [];
    this.#envelopes = envelopes;
    this.#losses = new LossCounter(envelopes);
    this.#monitor = 'monitor' in source ? source.monitor : undefined;
    this.bpf = this.#monitor !== undefined;
    this.events$ = this.#events.asObservable();
    this.ticks$ = this.#ticks.asObservable();
    const cgroups = Cgroupfs.find();
    this.#cgroups = cgroups;
    const survey = new Survey({ cgroups, mostGroups: 1024 });
    this.#survey = survey;
    const wants = (path: string) => this.wants(path);
    const emit = (event: Event) => this.#emit(event);
    const { profile = 'default' } = options;
    const reporting = { survey, envelopes, wants };
    this.#usage = new UsageLevelTracker({ ...reporting, levels: defaultLevels, emit, quiet: profile !== 'fast' });
    const isReported = reportedBy(profile);
    const emitRaw = (event: Event) => {
      if (isReported(event)) emit(event);
    };
    this.#psi = new PsiLevelTracker({ ...reporting, emit: emitRaw });
    this.#reclaimer = cgroups && new Reclaimer({ orders: options.reclaim ?? [], cgroups, envelopes, emit });
    const onError = (error: unknown) => this.#events.error(error);
    this.#monitor?.events$.subscribe({ next: emitRaw, error: onError });
    this.#shortage = openShortageWatch(profile, this.#monitor, { envelopes, wants, emit, onError });
    this.started = 'monitor' in source ? source.monitor.started : startedByPsi(envelopes, source.whyPsi);
    this.#timer = setInterval(() => this.#sample(), options.intervalMs ?? 1000);
    setImmediate(() => this.#sample());
  }

  /** Whether the user wants events about this cgroup. */
  wants(path: string): boolean {
    return this.#globs.length === 0 || this.#globs.some((glob) => cgroupMatch(glob, path));
  }

  /** Whether the last sample contains a cgroup with this path. */
  has(path: string): boolean {
    return this.#survey.groups.has(path);
  }

  /** The rows of the live view: first the system, then the cgroups that the user wants. */
  rows(): MemoryRow[] {
    const groups = [...this.#survey.groups].flatMap(([path, group]) => (this.wants(path) ? [group] : []));
    const pressure = this.#monitor?.totals() ?? ((reading: Reading) => this.#psi.levelOf(reading));
    const rows = memoryRows([this.#survey.system, ...groups], pressure);
    const [shortage, ownerOf] = [this.#shortage, this.#ownerOf];
    return rows.map((row) => {
      const subject =
        ownerOf && row.subject.scope === 'cgroup' ? { ...row.subject, ...ownerOf(row.subject.path) } : row.subject;
      return { ...row, subject, level: shortage?.levelOf(row.subject.path) ?? row.level };
    });
  }

  swap(): { totalBytes: number; freeBytes: number } {
    const { swapTotalBytes, swapFreeBytes } = this.#survey.system;
    return { totalBytes: swapTotalBytes, freeBytes: swapFreeBytes };
  }

  /** Creates the `tracer.lost` event for a reader of this stream that has dropped events. */
  lostBehind(dropped: Record<string, number>): TracerLost {
    return this.#losses.behind(dropped);
  }

  /** Stops sampling, closes the monitor and completes the streams. */
  close(): void {
    clearInterval(this.#timer);
    this.#shortage?.close();
    this.#monitor?.close();
    this.#survey.close();
    this.#events.complete();
    this.#ticks.complete();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #sample(): void {
    try {
      const now = this.#survey.sample();
      if (!this.bpf) this.#psi.update(now);
      this.#usage.update(now);
      this.#ticks.next();
    } catch (error) {
      this.#events.error(error);
    }
  }

  #emit(unnamed: Event): void {
    const event = this.#ownerOf ? namedPressure(unnamed, this.#ownerOf) : unnamed;
    this.#events.next(event);
    if (!this.#isAlarm(event) || levelIndex(event.previous) >= levelIndex('critical')) return;
    const usages = this.#survey.top(event.subject, Number.POSITIVE_INFINITY);
    const sources = { cgroups: this.#cgroups, envelopes: this.#envelopes, usages };
    this.#events.next(suggestionFor(this.#shortageOf(event), sources));
    this.#reclaimer?.relieve(event);
  }

  #isAlarm(event: Event): event is Alarm {
    if (this.#shortage) return event.type === 'memory.shortage' && event.level === 'critical';
    return (event.type === 'pressure.level' || event.type === 'memory.usage') && event.level === 'critical';
  }

  #shortageOf(event: Alarm): Shortage {
    const { id, subject } = event;
    const { system, groups } = this.#survey;
    const swapBytes = subject.scope === 'system' ? system.swapTotalBytes : 0;
    if (event.type === 'memory.shortage') return { ...shortageOf(event), swapBytes };
    const readings = subject.scope === 'system' ? [] : cgroupAncestors(subject.path).map((path) => groups.get(path));
    const limitBytes = readings.find((reading) => reading?.limitBytes)?.limitBytes ?? system.limitBytes ?? 0;
    return { id, subject, limitBytes, leftBytes: (readings[0] ?? system).availableBytes, swapBytes };
  }
}

/** An event that reports the level `critical`. */
type Alarm = PressureLevel | UsageLevel | MemoryShortage;

function startedByPsi(envelopes: EnvelopeFactory, reason: string): TracerStarted {
  const message = 'Watching memory pressure through the kernel’s PSI files.';
  return startedEvent(envelopes, { message, hooks: [{ hook: 'psi', backend: 'none', reason }] });
}
