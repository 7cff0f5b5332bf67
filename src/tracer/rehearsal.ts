import { filter, type Observable, Subject } from 'rxjs';
import { Batch } from '../bpf/wire/batch.ts';
import { RecordKind, RehearsalRecord } from '../bpf/wire/layout.ts';
import type { ContainerResolver } from '../containers/container-resolver.ts';
import { EnvelopeFactory, realtimeOffsetNs } from '../events/envelope.ts';
import { OrderedOutbox } from '../events/ordered-outbox.ts';
import type { Cgroupfs } from '../linux/cgroupfs.ts';
import { readProcess } from '../linux/process-reader.ts';
import type { SystemProbe } from '../linux/system-probe.ts';
import type { LeadUpRecorder } from '../memory/lead-up-recorder.ts';
import type { Event } from '../model/events.ts';
import { KillDecoder } from './kill-decoder.ts';
import type { Machine } from './kill-facts.ts';
import { rehearsalScript, renewScript } from './rehearsal-script.ts';
import { YoungPages } from './young-pages.ts';

const rehearsals = new WeakMap<object, Rehearsal>();

/** The rehearsals of a tracer, for outputs that rehearse, too. They are not a part of the library. */
export const rehearsalOf = (tracer: object): Rehearsal | undefined => rehearsals.get(tracer);

export interface RehearsalOptions {
  /** The tracer to which the rehearsals belong. */
  owner: object;
  machine: Machine;
  system: Pick<SystemProbe, 'read' | 'composition'>;
  cgroups: Cgroupfs | undefined;
  containers: ContainerResolver | undefined;
  leadUps: LeadUpRecorder | undefined;
  /** Sends the records through the ring, from which they come back to takeFrom(). @returns false: it cannot */
  send: (records: Uint8Array) => boolean;
  /** Rehearses a report with each rehearsal, but not when a kill is imminent. */
  reports?: { rehearse(): void } | undefined;
}

/** After this many rounds the code that handles a kill is compiled; more rounds do not make it faster. */
const ROUNDS = 20;
/** A kill and its report, of a cgroup with some processes, make this many bytes of objects. */
const REPORT_BYTES = 768 * 1024;
/** Interval of rehearsals while no kill happens (ms). */
const IDLE_MS = 60_000;
/**
 * How long a kill that is imminent is left alone (ms). At the limit of a cgroup it mostly comes 0.2 ms after JavaScript has heard
 * of it. A rehearsal with cold caches takes 0.7 ms, so the kill would have to wait for it. Elsewhere reclaim takes longer.
 */
const FIRST_MS = 1;
/** After a kill or a rehearsal the code stays in the CPU's caches for about this time. */
const WARM_NS = 100_000_000n;

/**
 * Rehearses a kill: invented records go through the BPF ring, the poller threads, the decoder and the streams, with the
 * reads of a real kill. Otherwise the first real kill, which matters most, would be reported milliseconds later: its code
 * would have to be compiled, mapped and read into the CPU's caches.
 *
 * Nobody sees a rehearsal. Its events have their own numbers and their own stream, and the tracer's counts, records,
 * streams and trackers know nothing of it.
 */
export class Rehearsal implements Disposable {
  /** What the tracer would emit. Only for outputs that rehearse, too, and stop before the last step. */
  readonly events$: Observable<Event>;
  readonly pages = new YoungPages();
  readonly #send: RehearsalOptions['send'];
  readonly #reports: RehearsalOptions['reports'];
  readonly #script: Uint8Array;
  readonly #kills: KillDecoder;
  /** Handles a kill without the reads of files, which take too long when a kill is imminent. */
  readonly #quick: KillDecoder;
  #timer: NodeJS.Timeout | undefined;
  #imminent: NodeJS.Timeout | undefined;
  /** Whether records were sent that have not come back. */
  #isDue = false;
  #isClosed = false;
  #isPrepared = false;
  #isPreparing = false;
  #lastNs = 0n;

  constructor(options: RehearsalOptions) {
    const { owner, machine, system, cgroups, leadUps, send, reports } = options;
    rehearsals.set(owner, this);
    this.#send = send;
    this.#reports = reports;
    if (reports) this.pages.reach = REPORT_BYTES;
    const path = readProcess(process.pid, ['cgroup'])?.cgroup ?? '/';
    this.#script = rehearsalScript({ path, id: cgroups?.id(path) ?? '0', version: cgroups?.version ?? 2 });
    const events = new Subject<Event>();
    this.events$ = events.pipe(filter(() => !this.#isPreparing));
    // The stream of a real tracer has subscribers, too.
    events.pipe(filter(({ type }) => type === 'oom.kill')).subscribe((event) => JSON.stringify(event));
    const common = {
      ...{ machine, leadUps, containers: options.containers && knownNames(options.containers), readProc: false },
      envelopes: new EnvelopeFactory(),
      outbox: new OrderedOutbox<Event>((event) => events.next(Object.freeze(event))),
      onError: () => {},
    };
    this.#kills = new KillDecoder({ ...common, system, cgroups });
    const state = system.read(0n);
    this.#quick = new KillDecoder({ ...common, system: { read: () => state, composition: () => null } });
  }

  /** Compiles the code that handles a kill, which takes 8 ms, unless that was done. `events$` emits nothing of it. */
  prepare(): void {
    if (this.#isPrepared || this.#isClosed) return;
    this.#isPrepared = true;
    this.#isPreparing = true;
    for (let i = 0; i < ROUNDS; i++) {
      this.#now(this.#quick);
      this.#reports?.rehearse();
    }
    this.#now(this.#kills);
    this.soon();
    this.#isPreparing = false;
  }

  /**
   * Rehearses as soon as the caller has subscribed and told that it traces, and from then on once a minute. The timer does not
   * keep the process alive.
   */
  begin(): void {
    setImmediate(() => {
      this.prepare();
      this.again();
    }).unref();
    this.#timer = setInterval(() => this.again(), IDLE_MS).unref();
  }

  /** Sends a rehearsal through the ring, or where the process may no longer do that, rehearses without the ring. */
  again(): void {
    if (this.#isDue || this.#isClosed) return;
    this.#reports?.rehearse();
    renewScript(this.#script, process.hrtime.bigint());
    this.#isDue = true;
    if (this.#send(this.#script)) return;
    this.#isDue = false;
    this.#now(this.#kills);
  }

  /** Rehearses without the ring in a moment, unless a kill comes first: called when a kill is imminent. */
  soon(): void {
    this.#imminent ??= setTimeout(() => {
      this.#imminent = undefined;
      if (!this.#isWarm) this.#now(this.#quick);
    }, FIRST_MS).unref();
  }

  /**
   * Takes a rehearsal out of a batch, and runs it, unless real records came with it: those come first, and warm the same
   * code.
   *
   * @returns the batch without it; undefined: nothing is left
   */
  takeFrom(batch: Batch): Batch | undefined {
    if (!this.#isDue) return batch;
    const at = positionIn(batch);
    if (at === undefined) return batch;
    this.#isDue = false;
    const { buffer } = batch.view;
    const end = at + RehearsalRecord.size;
    if (at > 0 || end < buffer.byteLength) {
      const rest = new Uint8Array(buffer.byteLength - RehearsalRecord.size);
      rest.set(new Uint8Array(buffer, 0, at));
      rest.set(new Uint8Array(buffer, end), at);
      return new Batch(rest.buffer, batch.receivedNs, batch.realtimeOffsetNs);
    }
    const records = at + RehearsalRecord.offset.records;
    const { length } = new RehearsalRecord(batch.view, at);
    this.#run(
      this.#kills,
      new Batch(buffer.slice(records, records + length), batch.receivedNs, batch.realtimeOffsetNs),
    );
    this.pages.next();
    return undefined;
  }

  /** Called after real records of a kill: their code is warm now. */
  warmed(): void {
    this.#lastNs = process.hrtime.bigint();
    this.pages.soon();
  }

  close(): void {
    this.#isClosed = true;
    clearInterval(this.#timer);
    clearTimeout(this.#imminent);
    this.pages.close();
    this.#kills.close();
    this.#quick.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  get #isWarm(): boolean {
    return process.hrtime.bigint() - this.#lastNs < WARM_NS;
  }

  #now(kills: KillDecoder): void {
    renewScript(this.#script, process.hrtime.bigint());
    this.#run(kills, new Batch(this.#script.buffer, 0n, realtimeOffsetNs()));
  }

  #run(kills: KillDecoder, batch: Batch): void {
    try {
      batch.walk((kind, at) => kills.take(kind, at, batch));
    } catch {
      // A fault in code that also handles real kills: it is reported when it happens with one of those.
    }
    this.warmed();
  }
}

function positionIn(batch: Batch): number | undefined {
  let found: number | undefined;
  batch.walk((kind, at) => {
    if (kind === RecordKind.RECORD_REHEARSAL) found = at;
  });
  return found;
}

/** The resolver without its requests to runtimes, which must not hear of an invented container. */
function knownNames(containers: ContainerResolver): Pick<ContainerResolver, 'ownerOf' | 'unnamed' | 'learn'> {
  return { ownerOf: (path) => containers.ownerOf(path), unnamed: () => [], learn: async () => {} };
}
