/**
 * The tracer: BPF programs in the kernel, a ring that native threads read, and RxJS streams of what comes out.
 */
import { availableParallelism, release } from 'node:os';
// Not from 'rxjs' itself: these two are all that is needed, and the whole costs 11 MB and 60 ms.
import type { Observable } from 'rxjs';
import { filter } from 'rxjs/internal/operators/filter';
import { Subject } from 'rxjs/internal/Subject';
import { type ProcessFiles, readProcess } from '../enrich/process.ts';
import { SystemProbe } from '../enrich/system.ts';
import { memoryHierarchy } from '../kernel/capabilities.ts';
import { type Loaded, load } from '../kernel/loader.ts';
import { OomscopeError } from '../model/error.ts';
import type { Event, KillKind, OomKill, OomReaped, TracerLost, TracerStarted, TracerStopped } from '../model/events.ts';
import { formatBytes, formatNs } from '../model/format.ts';
import { loadNative, type RingReader } from '../native.ts';
import { VERSION } from '../version.ts';
import { Batch } from '../wire/batch.ts';
import { candidatesOf, killFacts, type Machine, rawOf } from '../wire/kill.ts';
import { KillFact, OomCandidatesRecord, OomKillRecord, OomStepRecord, RecordKind } from '../wire/layout.ts';
import { killMessage } from '../wire/message.ts';
import { decode, printable, splitNul } from '../wire/text.ts';
import { Anticipation } from './anticipation.ts';
import { Envelopes, realtimeOffsetNs } from './envelope.ts';
import { EventQueue } from './event-queue.ts';
import { InOrder } from './in-order.ts';
import { type Reaping, Reapings } from './reaping.ts';
import { warmUp } from './warm-up.ts';

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
  /** Closes the tracer when it fires. */
  signal?: AbortSignal;
}

/** How long a kill waits for /proc/PID, or for its candidates, before it goes out without. */
const PATIENCE_MS = 50;

const recordNames: Record<number, string> = {
  1: 'oom_kill',
  2: 'oom_step',
  3: 'synthetic',
  4: 'oom_candidates',
  5: 'oom_ahead',
};

/**
 * Opens a tracer: loads and attaches the BPF programs and starts reading. It keeps the process alive until closed.
 *
 * @throws OomscopeError NOT_PERMITTED, NO_BTF, KERNEL_TOO_OLD, LIBBPF_MISSING, ADDON_MISSING,
 *   OBJECT_MISSING, LIBBPF, USAGE
 */
export async function openTracer(options: TracerOptions = {}): Promise<Tracer> {
  return new Tracer(options);
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
  /** Kernel ids of the tracer's maps. */
  readonly mapIds: { ring: number; counters: number };

  readonly #events = new Subject<Event>();
  readonly #batches = new Subject<Batch>();
  readonly #line = new InOrder<Event>((event) => this.#emit(event));
  readonly #envelopes = new Envelopes();
  readonly #system = new SystemProbe();
  readonly #reapings: Reapings;
  readonly #machine: Machine;
  readonly #loaded: Loaded;
  readonly #reader: RingReader;
  readonly #anticipation: Anticipation;
  readonly #readProc: boolean;
  readonly #awaitCandidates = new Map<number, { event: OomKill; arrived: () => void }>();
  readonly #openedAt = process.hrtime.bigint();
  readonly #kills: Record<KillKind, number> = { killed: 0, already_dying: 0, group_member: 0, shared_memory: 0 };
  readonly #signal: AbortSignal | undefined;
  readonly #onAbort = () => this.close();
  #counters: number[] = [];
  #lostTotal = 0;
  #malformed = 0;
  #closing = false;
  #closed = false;

  constructor(options: TracerOptions) {
    const native = loadNative();
    const ringBytes = options.ringBytes ?? 512 * 1024;
    if (!Number.isInteger(Math.log2(ringBytes)) || ringBytes < 65536) {
      throw new OomscopeError('USAGE', `ringBytes: expected a power of two, at least 65536, got ${ringBytes}.`);
    }
    this.events$ = this.#events.asObservable();
    this.oomKills$ = this.events$.pipe(filter((event): event is OomKill => event.type === 'oom.kill'));
    this.lost$ = this.events$.pipe(filter((event): event is TracerLost => event.type === 'tracer.lost'));
    this.batches$ = this.#batches.asObservable();
    this.#readProc = options.readProc ?? true;
    this.#signal = options.signal;
    this.#signal?.throwIfAborted();

    this.#loaded = load({ ringBytes, candidates: options.candidates ?? 'system' });
    const pageBytes = native.pageSize();
    this.#machine = { pageBytes, cpus: availableParallelism(), gfp: this.#loaded.gfp };
    this.#reapings = new Reapings(pageBytes, (reaping) => this.#line.push(this.#reaped(reaping)));
    this.mapIds = this.#loaded.mapIds;
    warmUp(this.#machine, this.#system);
    try {
      this.#reader = new native.RingReader(
        {
          mapFd: this.#loaded.ringFd,
          countersFd: this.#loaded.countersFd,
          batchBytes: options.batchBytes ?? 131072,
          owned: this.#loaded.owned,
          urgentKinds: (1 << RecordKind.RECORD_OOM_KILL) | (1 << RecordKind.RECORD_OOM_AHEAD),
        },
        (buffer, receivedNs, offsetNs) => this.#onBatch(new Batch(buffer, receivedNs, offsetNs)),
      );
    } catch (error) {
      this.#loaded.close();
      throw error;
    }
    const reader = this.#reader;
    this.#anticipation = new Anticipation((microseconds) => {
      warmUp(this.#machine, this.#system);
      return reader.lookOut(microseconds);
    });
    native.trimHeap();
    this.started = this.#startedEvent();
    this.#signal?.addEventListener('abort', this.#onAbort, { once: true });
  }

  /** Detaches, stops the threads, reports what is still open, and completes the streams. Idempotent. */
  close(): void {
    if (this.#closing) return;
    this.#closing = true;
    this.#signal?.removeEventListener('abort', this.#onAbort);
    this.#loaded.detach();
    const lost = this.#reader.lost();
    this.#reader.close();
    this.#closed = true;
    this.#loaded.close();
    this.#line.flush();
    this.#reapings.close();
    this.#line.flush();
    this.#reportLost(lost);
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
    const remedy = 'Read faster, or ask for less with filters.';
    return this.#lostEvent(
      'reader',
      dropped,
      sum(Object.values(dropped)),
      remedy,
      process.hrtime.bigint(),
      realtimeOffsetNs(),
    );
  }

  /** Records lost in the kernel's ring so far, by kind. */
  lostSoFar(): Record<string, number> {
    const [, ...lost] = this.#closed ? this.#counters : this.#reader.lost();
    return byName(lost);
  }

  // ---- from a batch to events ----

  #onBatch(batch: Batch): void {
    try {
      this.#batches.next(batch);
      let ahead = false;
      const malformed = batch.walk((kind, at) => {
        const { view } = batch;
        if (this.#closed) return; // by a handler, in the middle of the batch
        if (kind === RecordKind.RECORD_OOM_KILL) this.#onKill(new OomKillRecord(view, at), batch);
        else if (kind === RecordKind.RECORD_OOM_CANDIDATES) this.#onCandidates(new OomCandidatesRecord(view, at));
        else if (kind === RecordKind.RECORD_OOM_STEP) this.#reapings.step(new OomStepRecord(view, at));
        ahead = kind === RecordKind.RECORD_OOM_AHEAD;
      });
      if (malformed > 0) this.#reportMalformed(malformed, batch);
      if (!this.#closed) this.#reportLost(this.#reader.lost());
      if (ahead && !this.#closing) this.#anticipation.lookOut();
    } catch (error) {
      // Nothing handed to native may throw: whoever listens to the events hears of it.
      this.#events.error(error);
      this.close();
    }
  }

  #onKill(record: OomKillRecord, batch: Batch): void {
    const facts = killFacts(record, this.#machine);
    const { victim } = facts;
    if (this.#reapings.follows(victim.pid, victim.start_ticks)) return; // another mark of the same victim
    const monoNs = record.header.ktime_ns;
    const system = this.#system.read(Number((process.hrtime.bigint() - monoNs) / 1000n));
    const source = facts.kind === 'shared_memory' ? 'bpf:signal/signal_generate' : 'bpf:oom/mark_victim';
    const severity = facts.kind === 'already_dying' ? 'warning' : 'error';
    const event: OomKill = {
      ...this.#envelopes.next(monoNs, batch.realtimeOffsetNs, severity, source, killMessage(facts)),
      type: 'oom.kill',
      ...facts,
      system,
      enrichment: 'live',
    };
    this.#kills[event.kind]++;
    this.#anticipation.cameTrue();
    if (event.kind !== 'shared_memory') this.#reapings.start(event);
    settle(event);
    const fromProc = this.#readProc && event.missing.some((field) => field.startsWith('victim.'));
    const fromKernel = (record.facts & KillFact.FACT_CANDIDATES) !== 0;
    if (!fromProc && !fromKernel) {
      this.#line.push(event);
      return;
    }
    const waiting: Promise<unknown>[] = [];
    if (fromProc) waiting.push(readProcess(victim.pid, victim.tid).then((files) => complete(event, files)));
    if (fromKernel)
      waiting.push(new Promise<void>((arrived) => this.#awaitCandidates.set(victim.tid, { event, arrived })));
    const release = this.#line.hold(event);
    const timer = setTimeout(release, PATIENCE_MS);
    Promise.all(waiting).then(() => {
      clearTimeout(timer);
      settle(event);
      release();
    });
  }

  #onCandidates(record: OomCandidatesRecord): void {
    const waiting = this.#awaitCandidates.get(record.victim_tid);
    if (!waiting) return;
    this.#awaitCandidates.delete(record.victim_tid);
    waiting.event.candidates = candidatesOf(record, this.#machine.pageBytes);
    waiting.event.candidates_considered = record.considered;
    waiting.arrived();
  }

  #reaped({ atNs, facts }: Reaping): OomReaped {
    const who = `${facts.victim.comm === null ? 'The victim' : printable(facts.victim.comm)} (pid ${facts.victim.pid})`;
    const back = facts.mark_to_memory_back_ns;
    const after = facts.limit_usage_after_bytes;
    const message =
      back === null
        ? `${who} has not given its memory back yet.`
        : `${who} is gone; its memory was back ${formatNs(back)} after the mark${facts.outcome === 'reaped' ? ', by the OOM reaper' : ''}` +
          `${after === null ? '.' : `; its cgroup now uses ${formatBytes(after)}.`}`;
    const severity = facts.outcome === 'unfinished' ? 'warning' : 'info';
    return { ...this.#envelopes.next(atNs, realtimeOffsetNs(), severity, 'bpf:oom/reaper', message), ...facts };
  }

  // ---- what is said about the tracer itself ----

  #reportLost(counters: number[]): void {
    const lost = counters.slice(1).map((count, kind) => count - (this.#counters[kind + 1] ?? 0));
    this.#counters = counters;
    if (!lost.some((count) => count > 0)) return;
    this.#lostTotal += sum(lost);
    const remedy = 'The kernel’s ring was full: give it more room with ringBytes (--ring), or do less in the handlers.';
    const now = process.hrtime.bigint();
    this.#line.push(this.#lostEvent('ring', byName(lost), this.#lostTotal, remedy, now, realtimeOffsetNs()));
  }

  #reportMalformed(count: number, batch: Batch): void {
    this.#malformed += count;
    const remedy = 'The BPF object and the reader do not fit each other: build both anew with `npm run setup`.';
    const now = process.hrtime.bigint();
    this.#line.push(
      this.#lostEvent('malformed', { record: count }, this.#malformed, remedy, now, batch.realtimeOffsetNs),
    );
  }

  #lostEvent(
    where: TracerLost['where'],
    lost: Record<string, number>,
    total: number,
    remedy: string,
    monoNs: bigint,
    offsetNs: bigint,
  ): TracerLost {
    const what = Object.entries(lost).map(([name, count]) => `${count} ${name}`);
    const message = `Lost: ${what.join(', ')}. ${remedy}`;
    const envelope = this.#envelopes.next(monoNs, offsetNs, 'warning', 'oomscope', message);
    return { ...envelope, type: 'tracer.lost', where, lost, total, remedy };
  }

  #startedEvent(): TracerStarted {
    const now = process.hrtime.bigint();
    const startMs = Number(now - this.#openedAt) / 1e6;
    const active = this.#loaded.choices.filter((choice) => choice.program !== undefined).length;
    const message = `Tracing OOM kills with ${active} of ${this.#loaded.choices.length} hooks.`;
    return {
      ...this.#envelopes.next(now, realtimeOffsetNs(), 'info', 'oomscope', message),
      type: 'tracer.started',
      version: VERSION,
      kernel: release(),
      libbpf: this.#loaded.libbpf,
      cgroup_version: memoryHierarchy()?.version ?? null,
      hooks: this.#loaded.choices.map(({ hook, backend, program, reason }) => ({
        hook,
        backend,
        program: program ?? null,
        reason,
      })),
      start_ms: Math.round(startMs * 10) / 10,
    };
  }

  #stoppedEvent(): TracerStopped {
    const now = process.hrtime.bigint();
    const seconds = Math.round(Number(now - this.#openedAt) / 1e6) / 1000;
    const total = sum(Object.values(this.#kills));
    const message = `Stopped after ${seconds} s: ${total} kill${total === 1 ? '' : 's'}, ${this.#lostTotal} lost.`;
    return {
      ...this.#envelopes.next(now, realtimeOffsetNs(), 'info', 'oomscope', message),
      type: 'tracer.stopped',
      kills: { ...this.#kills },
      lost_total: this.#lostTotal,
      duration_seconds: seconds,
    };
  }

  #emit(event: Event): void {
    this.#events.next(event);
  }
}

/** Fills in what /proc had and the kernel's record had not. */
function complete(event: OomKill, files: ProcessFiles): void {
  const { victim } = event;
  // The pid may have a new owner by now: nothing of his belongs here.
  if (victim.start_ticks !== null && files.startTicks !== undefined && files.startTicks !== victim.start_ticks) return;
  victim.exe ??= files.exe ?? null;
  victim.cgroup =
    victim.cgroup === null || victim.cgroup.includes('…') ? (files.cgroup ?? victim.cgroup) : victim.cgroup;
  if (files.cmdline && (victim.cmdline === null || victim.cmdline_truncated)) {
    const parts = splitNul(files.cmdline).map(decode);
    victim.cmdline = parts.map(({ text }) => text);
    victim.cmdline_truncated = false;
    if (parts.some(({ hex }) => hex !== undefined)) {
      victim.raw = { ...victim.raw, ...rawOf({ cmdline: files.cmdline.toString('hex') }) };
    }
  }
  event.missing = event.missing.filter((field) => {
    if (field === 'victim.cmdline') return victim.cmdline === null || victim.cmdline_truncated;
    if (field === 'victim.exe') return victim.exe === null;
    if (field === 'victim.cgroup') return victim.cgroup === null;
    return true;
  });
}

function settle(event: OomKill): void {
  event.enrichment = event.victim.start_ticks === null ? 'lost' : event.missing.length === 0 ? 'live' : 'partial';
}

function byName(lost: number[]): Record<string, number> {
  const named = lost.flatMap((count, kind) =>
    count > 0 ? [[recordNames[kind] ?? `kind_${kind}`, count] as const] : [],
  );
  return Object.fromEntries(named);
}

function sum(numbers: number[]): number {
  return numbers.reduce((a, b) => a + b, 0);
}
