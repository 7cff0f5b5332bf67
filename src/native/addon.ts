/**
 * The native addon (native/*.cc): the one place that declares its surface and loads it.
 */
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { OomscopeError } from '../model/error.ts';

export interface RingReaderOptions {
  /** Descriptor of a BPF_MAP_TYPE_RINGBUF map. The reader keeps a copy of its own. */
  mapFd: number;
  /** Descriptor of the per-CPU counters map (bpf/events.h `struct counters`), -1 for none. */
  countersFd: number;
  /** Size of one batch in bytes; at least 131072. Two batches are held in memory. */
  batchBytes: number;
  /** libbpf's object and links: closed with the environment when close() was not called, as in a worker that is ended. */
  owned?: { object: bigint; links: bigint[] };
  /** Values of `RecordKind`. JavaScript's thread is kept off the CPU that wrote such a record until it has the batch. */
  urgentKinds: readonly number[];
}

/**
 * @param buffer whole records, each starting at a multiple of 8 bytes
 * @param receivedNs CLOCK_MONOTONIC when a poller thread took the first record of the batch
 * @param realtimeOffsetNs CLOCK_REALTIME minus CLOCK_MONOTONIC, when the batch was handed over
 */
export type OnBatch = (buffer: ArrayBuffer, receivedNs: bigint, realtimeOffsetNs: bigint) => void;

export interface RecordField {
  /** Of a little-endian unsigned number, from the start of the record. */
  offset: number;
  bytes: 4 | 8;
  value: bigint;
  /** The field is at least the value; else it equals it. */
  atLeast?: boolean;
}

/** A process that gets a signal when a record comes. */
export interface ArmedTarget {
  /** The addon keeps a copy. */
  pidfd: number;
  /** 0: none. */
  signal: number;
  /** Then its memory is taken from it, if it is dying (process_mrelease(2)), on a thread of its own. */
  release: boolean;
  /** CLOCK_MONOTONIC; nothing is sent from then on. */
  expiresNs: bigint;
  /** enum record_kind */
  kind: number;
  /** All must be met. */
  fields: RecordField[];
}

/** What became of an armed target. */
export interface Signalled {
  id: number;
  /** 0: the signal was sent. */
  errno: number;
  /** The record's own time, CLOCK_MONOTONIC. */
  recordNs: bigint;
  /** CLOCK_MONOTONIC after the signal was sent. */
  signalNs: bigint;
}

export interface RingReader {
  /** From now on a poller thread signals the target at the first record that meets all, once. @returns an id, or the negative errno */
  arm(target: ArmedTarget): number;
  /** @returns false: it has been signalled, or disarmed */
  refresh(id: number, expiresNs: bigint): boolean;
  /** @returns false: it has been signalled, or disarmed before. No signal is sent once this has returned */
  disarm(id: number): boolean;
  /** What was signalled since the last call: known before the record's batch is delivered. */
  takeSignalled(): Signalled[];
  /**
   * Delivers what is left in the ring (unless called from `onBatch`), and joins the poller threads. Idempotent. No batch
   * is delivered afterwards.
   */
  close(): void;
  /** struct counters, summed over all CPUs: a number for each of its 64-bit words. Empty without a map of counters. */
  counters(): number[];
  /**
   * Watches the ring from this thread until it has a record, at most so many microseconds. True: it has, and the next
   * batch follows as soon as `onBatch` returns, without another thread in between.
   */
  spinForRecord(microseconds: number): boolean;
  stats(): { batches: number; fullTimes: number };
}

/**
 * Tells when processes end, by pidfd: children and others. Lives as long as the environment; the event loop stays alive
 * while something is watched.
 */
export interface ExitWatcher {
  /** Takes a copy of the descriptor. @returns a token, or the negative errno */
  watch(pidfd: number): number;
  /** The end is not told any more. */
  unwatch(token: number): void;
}

/**
 * Tells when PSI triggers fire. Lives as long as the environment; the event loop stays alive while there is a trigger.
 */
export interface PsiWatcher {
  /** @returns a token, or the negative errno */
  add(path: string, trigger: string): number;
  /** Closes the trigger; nothing more is told of it. */
  remove(token: number): void;
}

/** One system call each. @returns what it returned, or the negative errno */
export interface SystemCalls {
  /** A new descriptor of the process, closed on exec. */
  pidfdOpen(pid: number): number;
  pidfdSignal(pidfd: number, signal: number): number;
  /** Linux 5.15. By a thread of libuv's pool; the descriptor may be closed meanwhile. */
  processMrelease(pidfd: number): Promise<number>;
  /** The pages of the program's and its libraries' files, each once it was touched. Without V8's heap, which cannot be. */
  lockMemory(): number;
  unlockMemory(): number;
  /** getxattr(2). null: there is none, or it may not be read. */
  readAttribute(path: string, name: string): string | null;
  /** Of the calling thread. */
  setNice(value: number): number;
  /** Of the calling thread. @param policy SCHED_* of sched.h */
  setScheduler(policy: number, priority: number): number;
  /** flock(2), exclusive: until the descriptor is closed, if only by death. EAGAIN: another has it. */
  lockFile(fd: number): number;
  /** To a unix datagram socket; `@name` is an abstract one. */
  sendDatagram(path: string, text: string): number;
  /** @param key and `value` of exactly the map's sizes. */
  mapUpdate(fd: number, key: Uint8Array, value: Uint8Array, flags: number): number;
}

export interface Native extends SystemCalls {
  /** `onExit` must not throw. @param ktimeNs CLOCK_MONOTONIC, when the end was seen */
  ExitWatcher: new (
    onExit: (token: number, ktimeNs: bigint) => void,
  ) => ExitWatcher;
  /** `onEvent` must not throw. @param ktimeNs CLOCK_MONOTONIC, when the poller woke. @param gone the cgroup is no more */
  PsiWatcher: new (
    onEvent: (token: number, ktimeNs: bigint, gone: boolean) => void,
  ) => PsiWatcher;
  /** Starts reading at once. `onBatch` must not throw: what it throws is an uncaught exception. */
  RingReader: new (
    options: RingReaderOptions,
    onBatch: OnBatch,
  ) => RingReader;
  /** What libbpf logged on this thread since the last call. */
  takeLibbpfLog(): string;
  /** Returns freed heap pages to the kernel (malloc_trim(3)). */
  trimHeap(): boolean;
  /** Bytes. */
  pageSize(): number;
}

let native: Native | undefined;

/** Where the built files are: `build/` beside `src/` or `dist/`. */
export function builtFile(name: string): string {
  return fileURLToPath(new URL(`../../build/${name}`, import.meta.url));
}

/** @throws OomscopeError ADDON_MISSING, LIBBPF_MISSING */
export function loadNative(): Native {
  if (native) return native;
  const path = builtFile('oomscope.node');
  try {
    native = createRequire(import.meta.url)(path) as Native;
    return native;
  } catch (cause) {
    const message = String((cause as Error).message);
    if (message.includes('libbpf')) throw libbpfMissing(cause);
    throw new OomscopeError(
      'ADDON_MISSING',
      `The native addon could not be loaded from ${path}: run \`npm run setup\`.`,
      {
        cause,
        detail: message,
      },
    );
  }
}

/** Versions before 1.0 are libbpf.so.0: they do not help. */
export function libbpfMissing(cause: unknown): OomscopeError {
  const message = 'libbpf.so.1 cannot be loaded: install libbpf 1.0 or later (Debian: apt-get install libbpf1).';
  return new OomscopeError('LIBBPF_MISSING', message, { cause });
}
