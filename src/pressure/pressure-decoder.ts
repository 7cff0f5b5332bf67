import type { Batch } from '../bpf/wire/batch.ts';
import {
  KernelLimit,
  PressureCountdownRecord,
  PressureGroupRecord,
  PressureLevelRecord,
  PressureLimit,
  PressureStallRecord,
  RecordKind,
} from '../bpf/wire/layout.ts';
import { ownerOf } from '../containers/container-path.ts';
import type { EnvelopeFactory } from '../events/envelope.ts';
import type { CgroupPathCache } from '../linux/cgroup-path-cache.ts';
import { noOwner } from '../model/container.ts';
import { levelNames, severityOfLevel } from '../model/level.ts';
import type {
  PressureCountdown,
  PressureLevel,
  PressureStall,
  PressureSubject,
  StallCause,
  StalledTask,
} from '../model/pressure.ts';
import { formatNs } from '../text/format.ts';
import { decode, printable } from '../text/printable.ts';
import { levelMessage } from './level-message.ts';
import { causes, shares, stalledTask, stallNs } from './records.ts';

export type PressureEvent = PressureStall | PressureLevel | PressureCountdown;

export interface PressureDecoderOptions {
  envelopes: EnvelopeFactory;
  /** The decoder adds the names of cgroups from the records to this cache. */
  paths: CgroupPathCache;
  windowsMs: readonly number[];
  /** Whether the hooks in use can measure `full`. */
  full: boolean;
  /** Returns the frames of a stack by its id. null: unknown. */
  stack: (id: number) => string[] | null;
  /** Whether the user wants events about this cgroup. */
  wants: (path: string) => boolean;
  emit: (event: PressureEvent) => void;
  /** Called when the BPF programs have begun to account a cgroup. */
  onGroup?: () => void;
}

const { MAX_RECLAIM_RETRIES } = KernelLimit;

const waits: Record<StallCause, string> = {
  direct_reclaim: 'the system is short of free memory, and the task has to reclaim some itself',
  memcg_limit: 'its cgroup is at its limit',
  memcg_high: 'its cgroup is above memory.high and is throttled',
  compaction: 'free memory is in pieces that are too small',
  swap_in: 'memory that it needs is read back from swap',
  refault: 'it reads pages again that were evicted a moment ago',
  other: 'the cause is not known',
};

/** Turns the records of the BPF programs (bpf/pressure.h) into events. */
export class PressureDecoder {
  readonly #options: PressureDecoderOptions;
  /** For each limit, the counter `unsent` in its last record: countdowns that the BPF program did not send. */
  readonly #unsent = new Map<bigint, number>();
  #closed = false;

  constructor(options: PressureDecoderOptions) {
    this.#options = options;
  }

  /** Decodes a batch and emits its events. @returns the number of malformed records */
  decode(batch: Batch): number {
    const { view } = batch;
    return batch.walk((kind, at) => {
      if (this.#closed) return; // an event handler closed the monitor during the batch
      if (kind === RecordKind.RECORD_PRESSURE_GROUP) this.#onGroup(new PressureGroupRecord(view, at));
      else if (kind === RecordKind.RECORD_PRESSURE_STALL) this.#onStall(new PressureStallRecord(view, at), batch);
      else if (kind === RecordKind.RECORD_PRESSURE_LEVEL) this.#onLevel(new PressureLevelRecord(view, at), batch);
      else if (kind === RecordKind.RECORD_PRESSURE_COUNTDOWN)
        this.#onCountdown(new PressureCountdownRecord(view, at), batch);
    });
  }

  /** After close() no event is emitted. */
  close(): void {
    this.#closed = true;
  }

  /** The subject for a cgroup id. @param id 0: the system */
  subject(id: bigint): PressureSubject {
    if (id === 0n) return { scope: 'system', path: '/', id: null, ...noOwner };
    const path = this.#options.paths.path(id);
    return { scope: 'cgroup', path: path ?? `(cgroup ${id})`, id: String(id), ...ownerOf(path ?? null) };
  }

  #onGroup(record: PressureGroupRecord): void {
    const name = decode(record.name.subarray(0, record.name_length)).text;
    this.#options.paths.learn(record.id, record.parent_id, name);
    this.#options.onGroup?.();
  }

  #onStall(record: PressureStallRecord, batch: Batch): void {
    const { envelopes, stack, emit } = this.#options;
    const task = this.#task(record.task);
    if (!task) return;
    const cause = causes[record.cause] ?? 'other';
    const stall_ns = Number(record.stall_ns);
    const finished = record.finished !== 0;
    const what = finished
      ? `waited ${formatNs(stall_ns)} for memory`
      : stall_ns === 0
        ? 'waits for memory'
        : `has been waiting for memory for ${formatNs(stall_ns)}`;
    const message = `${printable(task.comm)} (pid ${task.pid}) ${what}: ${waits[cause]}.`;
    emit({
      ...envelopes.next(record.header.ktime_ns, batch.realtimeOffsetNs, 'warning', 'bpf:pressure', message),
      type: 'pressure.stall',
      task,
      cause,
      begin_mono_ns: String(record.begin_ktime_ns),
      stall_ns,
      finished,
      stack: record.stack_id < 0 ? null : stack(record.stack_id),
    });
  }

  #onLevel(record: PressureLevelRecord, batch: Batch): void {
    const { envelopes, windowsMs, full, wants, emit } = this.#options;
    const subject = this.subject(record.cgroup_id);
    if (subject.scope === 'cgroup' && !wants(subject.path)) return;
    const level = levelNames[record.level] ?? 'normal';
    const previous = levelNames[record.previous] ?? 'normal';
    const windows = shares(windowsMs, (i) => record.shares(i), full);
    const { some_ppm, full_ppm } = record.peak;
    const facts = {
      subject,
      level,
      previous,
      episode: `${subject.id ?? 'system'}-${record.episode_ktime_ns}`,
      windows,
      decided_by_seconds: (windowsMs[record.window] ?? 0) / 1000,
      duration_ns: Number(record.duration_ns),
      peak: {
        level: levelNames[record.peak_level] ?? 'normal',
        some: some_ppm / 1e6,
        full: full ? full_ppm / 1e6 : null,
      },
      stalls: Number(record.stalls),
      stall_ns: stallNs((cause) => record.stall_ns(cause)),
    };
    const severity = severityOfLevel(level);
    emit({
      ...envelopes.next(record.header.ktime_ns, batch.realtimeOffsetNs, severity, 'bpf:pressure', levelMessage(facts)),
      type: 'pressure.level',
      ...facts,
    });
  }

  #onCountdown(record: PressureCountdownRecord, batch: Batch): void {
    const { envelopes, emit } = this.#options;
    const repeated = this.#repeated(record.limit_id, record.unsent);
    const task = this.#task(record.task);
    if (!task) return;
    const subject = this.subject(record.limit_id);
    const rounds = record.fruitless_rounds;
    const where = subject.scope === 'system' ? 'the system' : `cgroup ${printable(subject.path)}`;
    const again = repeated === 0 ? '' : ` (and as often or less often in ${repeated} more attempts)`;
    const message = `Reclaim for ${where} has freed nothing ${rounds} times in a row${again}; ${rounds < MAX_RECLAIM_RETRIES ? `after ${MAX_RECLAIM_RETRIES} times the kernel calls` : 'the kernel has called'} its OOM killer.`;
    emit({
      ...envelopes.next(record.header.ktime_ns, batch.realtimeOffsetNs, 'warning', 'bpf:pressure', message),
      type: 'pressure.countdown',
      subject,
      task,
      fruitless_rounds: rounds,
      rounds_until_oom: MAX_RECLAIM_RETRIES,
      repeated,
    });
  }

  /**
   * The number of countdowns not sent since the last record. The counter only grows; if it is smaller, it was reset to
   * 0.
   */
  #repeated(limitId: bigint, unsent: number): number {
    const before = this.#unsent.get(limitId) ?? 0;
    this.#unsent.delete(limitId);
    this.#unsent.set(limitId, unsent);
    const [oldest] = this.#unsent.keys();
    if (this.#unsent.size > PressureLimit.COUNTDOWNS && oldest !== undefined) this.#unsent.delete(oldest);
    return unsent >= before ? unsent - before : unsent;
  }

  /** undefined: the user wants no events about the task's cgroup. */
  #task(record: PressureStallRecord['task']): StalledTask | undefined {
    const cgroup = this.#options.paths.path(record.cgroup_id) ?? null;
    return this.#options.wants(cgroup ?? '') ? stalledTask(record, cgroup) : undefined;
  }
}
