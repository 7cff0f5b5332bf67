/**
 * The native addon (native/*.cc): the one place that declares its surface and loads it.
 */
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { OomscopeError } from '../model/error.ts';

export interface RingReaderOptions {
  /** Descriptor of a BPF_MAP_TYPE_RINGBUF map. The reader keeps a copy of its own. */
  mapFd: number;
  /** Descriptor of the per-CPU map of counters (bpf/events.h `struct counters`), -1 for none. */
  countersFd: number;
  /** Size of one batch in bytes; at least 131072. Two batches are kept in memory. */
  batchBytes: number;
  /** libbpf's object and links, which are freed when the environment ends before `close()`: in a worker that is terminated. */
  owned?: { object: bigint; links: bigint[] };
  /** Values of `RecordKind`. JavaScript's thread is kept off the CPU that wrote such a record until it has the batch. */
  urgentKinds: readonly number[];
}

/**
 * @param buffer whole records, each starting at a multiple of 8 bytes
 * @param receivedNs CLOCK_MONOTONIC when a poller thread took the first record of the batch
 * @param realtimeOffsetNs CLOCK_REALTIME minus CLOCK_MONOTONIC when the batch was delivered
 */
export type OnBatch = (buffer: ArrayBuffer, receivedNs: bigint, realtimeOffsetNs: bigint) => void;

/** A comparison of a field of a record with a number. */
export interface RecordField {
  /** Offset in the record, in bytes, of a little-endian unsigned number. */
  offset: number;
  bytes: 4 | 8;
  value: bigint;
  /** true: the field must be at least the value. Otherwise it must equal the value. */
  atLeast?: boolean;
}

/** A process that gets a signal when a record comes. */
export interface ArmedTarget {
  /** Descriptor of the process. The addon keeps a copy. */
  pidfd: number;
  /** 0: no signal is sent. */
  signal: number;
  /** Afterwards a thread of the addon frees the memory of the process, if it is dying (process_mrelease(2)). */
  release: boolean;
  /** CLOCK_MONOTONIC; from then on no signal is sent. */
  expiresNs: bigint;
  /** The kind of the record: a value of `RecordKind`. */
  kind: number;
  /** Comparisons, which must all be true. */
  fields: RecordField[];
}

/** The result of a signal to an armed target. */
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
  /**
   * From now on a poller thread signals the target, once, at the first record that meets the comparisons.
   *
   * @returns an id, or the negative errno
   */
  arm(target: ArmedTarget): number;
  /** @returns false: the target was signalled or disarmed before */
  refresh(id: number, expiresNs: bigint): boolean;
  /** After the return no signal is sent. @returns false: the target was signalled or disarmed before */
  disarm(id: number): boolean;
  /** The signals since the last call. A signal is here before the batch with its record is delivered. */
  takeSignalled(): Signalled[];
  /**
   * Delivers what is left in the ring (unless called from `onBatch`), and joins the poller threads. Idempotent. No batch
   * is delivered afterwards.
   */
  close(): void;
  /** struct counters, summed over all CPUs: a number for each of its 64-bit words. Empty without a map of counters. */
  counters(): number[];
  /**
   * Polls the ring from this thread, at most for so many microseconds, until it has a record.
   *
   * @returns true: it has one, and the next batch is delivered as soon as `onBatch` returns, without another thread in between
   */
  spinForRecord(microseconds: number): boolean;
  /** Batches delivered so far, and how often both batches were full, so that the poller threads stopped reading. */
  stats(): { batches: number; fullTimes: number };
}

/**
 * Reports the end of processes by their pidfds, whether they are children or not. It lives as long as the environment, and
 * keeps the event loop alive while it watches a process.
 */
export interface ExitWatcher {
  /** Keeps a copy of the descriptor. @returns a token, or the negative errno */
  watch(pidfd: number): number;
  /** The end of the process is not reported any more. */
  unwatch(token: number): void;
}

/** Reports PSI triggers that fire. It lives as long as the environment, and keeps the event loop alive while it has a trigger. */
export interface PsiWatcher {
  /** @returns a token, or the negative errno */
  add(path: string, trigger: string): number;
  /** Closes the trigger, which is not reported any more. */
  remove(token: number): void;
}

/** One system call each. @returns its result, or the negative errno */
export interface SystemCalls {
  /** A new descriptor of the process, closed on exec. The caller must close it. */
  pidfdOpen(pid: number): number;
  pidfdSignal(pidfd: number, signal: number): number;
  /** Linux 5.15. Runs on a thread of libuv's pool, with a copy of the descriptor. */
  processMrelease(pidfd: number): Promise<number>;
  /** Locks the pages of the program's file and its libraries' files in memory, each once it is touched. Not V8's heap. */
  lockMemory(): number;
  unlockMemory(): number;
  /** getxattr(2). null: the attribute does not exist, or this process may not read it. */
  readAttribute(path: string, name: string): string | null;
  /** For the calling thread. */
  setNice(value: number): number;
  /** For the calling thread. @param policy SCHED_* of sched.h */
  setScheduler(policy: number, priority: number): number;
  /** flock(2), exclusive, until the descriptor is closed. EWOULDBLOCK: another process has the lock. */
  lockFile(fd: number): number;
  /** To a unix datagram socket; `@name` is an abstract one. */
  sendDatagram(path: string, text: string): number;
  /** @param key and `value` of exactly the map's sizes */
  mapUpdate(fd: number, key: Uint8Array, value: Uint8Array, flags: number): number;
}

export interface Native extends SystemCalls {
  /** `onExit` must not throw. @param ktimeNs CLOCK_MONOTONIC when the end was noticed */
  ExitWatcher: new (
    onExit: (token: number, ktimeNs: bigint) => void,
  ) => ExitWatcher;
  /** `onEvent` must not throw. @param ktimeNs CLOCK_MONOTONIC when the poller woke. @param gone the cgroup was removed */
  PsiWatcher: new (
    onEvent: (token: number, ktimeNs: bigint, gone: boolean) => void,
  ) => PsiWatcher;
  /** Starts reading at once. An error that `onBatch` throws becomes an uncaught exception. */
  RingReader: new (
    options: RingReaderOptions,
    onBatch: OnBatch,
  ) => RingReader;
  /** The lines that libbpf has logged on this thread since the last call. */
  takeLibbpfLog(): string;
  /** Returns freed heap pages to the kernel (malloc_trim(3)). */
  trimHeap(): boolean;
  /** The size of a page in bytes. */
  pageSize(): number;
}

let native: Native | undefined;

/** The path of a built file: in `build/`, beside `src/` or `dist/`. */
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

/** Versions before 1.0 are named libbpf.so.0, and cannot be used. */
export function libbpfMissing(cause: unknown): OomscopeError {
  const message = 'libbpf.so.1 cannot be loaded: install libbpf 1.0 or later (Debian: apt-get install libbpf1).';
  return new OomscopeError('LIBBPF_MISSING', message, { cause });
}
