/**
 * Reports each death of a process by a signal, with the sender of the signal. A BPF program sends one record when the
 * signal is sent and one when the process has ended; this stream joins them.
 */
import { AttachedRing } from '../bpf/load/ring.ts';
import { type Deaths, type LoadedSignals, loadSignals } from '../bpf/load/signals-loader.ts';
import type { Batch } from '../bpf/wire/batch.ts';
import { FatalSignalRecord, ProcessEndRecord, RecordKind } from '../bpf/wire/layout.ts';
import { type Death, deathOf, detailsOf, type Fatal, fatalOf, type SignalDetails } from './death.ts';

/** Signals of which the process has not died yet. A signal that waits because it is blocked may wait for ever. */
const MOST_PENDING = 4096;

export interface DeathStreamOptions {
  deaths: Deaths;
  /** Called when a process is about to die: it and the sender may still live, so that /proc can be read. */
  onSignal: (signal: Fatal) => void;
  onDeath: (death: Death, batch: Batch) => void;
  /** Called after each batch, with the counters of the ring: `RingReader.counters()`. */
  onCounters: (counters: number[], malformed: number) => void;
  onError: (error: unknown) => void;
}

export class DeathStream implements Disposable {
  readonly hooks: LoadedSignals['choices'];
  readonly #ring: AttachedRing;
  readonly #options: DeathStreamOptions;
  readonly #pending = new Map<string, SignalDetails>();

  /** Starts at once. @throws OomscopeError as loadSignals(), and ADDON_MISSING */
  constructor(options: DeathStreamOptions) {
    this.#options = options;
    const loaded = loadSignals(options.deaths);
    this.hooks = loaded.choices;
    this.#ring = new AttachedRing(loaded, {
      onBatch: (batch) => this.#take(batch),
      onError: options.onError,
    });
  }

  /** Detaches the programs and delivers the records that are left. Idempotent. */
  close(): void {
    this.#ring.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #take(batch: Batch): void {
    const malformed = batch.walk((kind, at) => {
      if (kind === RecordKind.RECORD_FATAL_SIGNAL) this.#onSignal(new FatalSignalRecord(batch.view, at));
      else if (kind === RecordKind.RECORD_PROCESS_END) this.#onEnd(new ProcessEndRecord(batch.view, at), batch);
    });
    this.#options.onCounters(this.#ring.reader.counters(), malformed);
  }

  #onSignal(record: FatalSignalRecord): void {
    const key = keyOf(record.victim_pid, record.victim_start_ns, record.signal);
    this.#pending.delete(key);
    this.#pending.set(key, detailsOf(record));
    if (this.#pending.size > MOST_PENDING) this.#pending.delete(this.#pending.keys().next().value as string);
    this.#options.onSignal(fatalOf(record));
  }

  #onEnd(record: ProcessEndRecord, batch: Batch): void {
    const key = keyOf(record.pid, record.start_ns, record.status & 0x7f);
    const details = this.#pending.get(key) ?? null;
    this.#pending.delete(key);
    this.#options.onDeath(deathOf(record, details), batch);
  }
}

const keyOf = (pid: number, startNs: bigint, signal: number) => `${pid} ${startNs} ${signal}`;
