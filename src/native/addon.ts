/**
 * Declares the functions and classes of the native addon (native/*.cc), and loads the addon.
 */

import { createRequire } from 'node:module';
import { OomscopeError } from '../model/error.ts';
import type { ArmedTarget, Signalled } from './armed-target.ts';
import type { Figures } from './figures.ts';
import { ADDON, nativeFile, optionalNativeFile, reinstallRemedy } from './files.ts';
import type { Heaps } from './heaps.ts';

export interface RingReaderOptions {
  /** Descriptor of a BPF_MAP_TYPE_RINGBUF map. The reader keeps its own copy. */
  mapFd: number;
  /** Descriptor of the per-CPU map of counters (bpf/events.h `struct counters`), -1 for none. */
  countersFd: number;
  /** Size of one batch in bytes; at least 131072. Two batches are kept in memory. */
  batchBytes: number;
  /** Addresses of libbpf's object and links. The reader frees them if a worker is terminated before `close()`. */
  owned?: { object: bigint; links: bigint[] };
  /**
   * Values of `RecordKind`. After a record of these kinds the JavaScript thread may not run on the CPU that wrote the
   * record until it has the batch: that CPU is busy in the kernel's OOM killer.
   */
  urgentKinds: readonly number[];
  /**
   * A `SystemProbe`, whose values a poller thread reads when the record of a kill arrives. They are written into `values` before
   * the batch is delivered, if they are there in time.
   */
  probe?: { id: number; values: Uint8Array } | undefined;
}

/**
 * @param buffer whole records, each starting at a multiple of 8 bytes
 * @param receivedNs CLOCK_MONOTONIC when a poller thread took the first record of the batch
 * @param realtimeOffsetNs CLOCK_REALTIME minus CLOCK_MONOTONIC when the batch was delivered
 */
export type OnBatch = (buffer: ArrayBuffer, receivedNs: bigint, realtimeOffsetNs: bigint) => void;

export interface RingStats {
  /** Delivered batches. */
  batches: number;
  /** How often the pollers stopped reading because both batches were full. */
  fullTimes: number;
  /** How many poller threads run at real-time priority now. */
  realtimePollers: number;
  /** How often a poller was lowered to normal priority, because it had used 10 ms of CPU time within 100 ms. */
  timesLowered: number;
  /** The most CPU time that one period of a poller had at real-time priority. */
  longestNs: number;
}

export interface RingReader {
  /**
   * Makes a poller thread signal the target, once, at the first record that meets the comparisons.
   *
   * @returns an id, or the negative errno
   */
  arm(target: ArmedTarget): number;
  /** Sets a new `expiresNs`. @returns false: the target was already signalled or disarmed */
  refresh(id: number, expiresNs: bigint): boolean;
  /** No signal is sent after disarm() has returned. @returns false: the target was already signalled or disarmed */
  disarm(id: number): boolean;
  /** The signals since the last call. A signal is listed before the batch with its record is delivered. */
  takeSignalled(): Signalled[];
  /**
   * Delivers the records that are still in the ring (unless called from `onBatch`), and joins the poller threads.
   * Idempotent. No batch is delivered afterwards.
   */
  close(): void;
  /** `struct counters` summed over all CPUs: one number for each of its 64-bit words. Empty if `countersFd` is -1. */
  counters(): number[];
  stats(): RingStats;
}

/**
 * Reports the exit of processes, whether they are children or not, through their pidfds. It lives as long as the Node
 * environment, and keeps the event loop alive while it watches a process.
 */
export interface ExitWatcher {
  /** The watcher keeps its own copy of the pidfd. @returns a token, or the negative errno */
  watch(pidfd: number): number;
  /** From now on the exit of this process is not reported. */
  unwatch(token: number): void;
}

/**
 * Reports PSI triggers that fire. It lives as long as the Node environment, and keeps the event loop alive while it has
 * a trigger.
 */
export interface PsiWatcher {
  /** @returns a token, or the negative errno */
  add(path: string, trigger: string): number;
  /** Closes the trigger. From now on the trigger is not reported. */
  remove(token: number): void;
}

/** A figure of an open file of /proc or of a cgroup, and the range in which it may move. */
export interface WatchedLevel {
  fd: number;
  /** The number follows this name; "": the file begins with the number. */
  name: string;
  least: bigint;
  most: bigint;
  /** The interval between two looks. */
  everyMs: number;
}

/**
 * Looks often at figures, on a thread of its own. It lives as long as the Node environment, and does not keep the event loop
 * alive.
 */
export interface LevelWatcher {
  /**
   * Watches these figures instead of the earlier ones, with copies of their descriptors. As soon as one of them has left its
   * range, or cannot be read, `onLeft` is called once, and nothing is watched any more.
   *
   * @returns 0 or the negative errno
   */
  watch(levels: readonly WatchedLevel[]): number;
  /** From now on nothing is watched and `onLeft` is not called. */
  stop(): void;
}

/**
 * Functions that make one system call each, or few. @returns the call's result, or the negative errno
 *
 * @throws TypeError, RangeError: an argument is wrong; the message names it
 */
export interface SystemCalls {
  /** Returns a new pidfd with the close-on-exec flag. The caller must close it. */
  pidfdOpen(pid: number): number;
  pidfdSignal(pidfd: number, signal: number): number;
  /** Gives a process that was sent SIGKILL the priority of the JavaScript thread, so that it exits first. */
  hurryExit(pidfd: number, pid: number): void;
  /** Needs Linux 5.15. Runs on a thread of libuv's pool, with a copy of the descriptor. */
  processMrelease(pidfd: number): Promise<number>;
  /** Locks the pages of the executable and its libraries in memory, each when first used. V8's heap is not locked. */
  lockMemory(): number;
  unlockMemory(): number;
  /**
   * Unmaps the unchanged pages of the executable and its libraries. They stay in the page cache; an access maps them again.
   */
  dropFilePages(): number;
  /** getxattr(2). null: the attribute does not exist, or this process may not read it. */
  readAttribute(path: string, name: string): string | null;
  /** Sets the nice value of the calling thread. */
  setNice(value: number): number;
  /** Sets the scheduling policy of the calling thread. @param policy SCHED_* of sched.h */
  setScheduler(policy: number, priority: number): number;
  /**
   * SCHED_DEADLINE for the calling thread: it runs before the threads of all other policies, for at most this CPU time in each period.
   * EBUSY: the thread may not use all CPUs, or threads of this policy have taken too much of them already.
   * A process after SIGKILL gets no real-time priority then.
   */
  setDeadline(runtimeUs: number, periodUs: number): number;
  /** Takes an exclusive flock(2), held until the descriptor is closed. EWOULDBLOCK: another process has the lock. */
  lockFile(fd: number): number;
  /** Sends to a unix datagram socket; `@name` is an abstract address. */
  sendDatagram(path: string, text: string): number;
  /**
   * Takes all capabilities but those of the mask away from the threads of this process. ETIMEDOUT: a thread has not answered within 2 s.
   */
  limitCapabilities(mask: bigint): number;
  /** @throws RangeError: the key or the value does not have the map's size; of a per-CPU map, that of all CPUs */
  mapUpdate(fd: number, key: Uint8Array, value: Uint8Array, flags: number): number;
  /** Reads the value of a key into `into`, which must have the size of a value. @throws RangeError as mapUpdate() */
  mapLookup(fd: number, key: Uint8Array, into: Uint8Array): number;
  /**
   * Reads the elements of a map into `into`: of each the key, followed by the value. An element that is added or removed
   * meanwhile may be missed or come twice.
   *
   * @returns the number of elements, also of those for which `into` has no room
   */
  mapEntries(fd: number, into: Uint8Array): number;
  /** Runs a program once, in this thread (BPF_PROG_TEST_RUN; raw tracepoints since 5.10). @returns its result */
  programRun(fd: number): number;
  /** The same for a raw tracepoint program whose arguments are the address and the length of the bytes. */
  programRunOn(fd: number, bytes: Uint8Array): number;
  /** Starts one pass of a BPF iterator. @returns a descriptor to read, which the caller must close */
  iteratorOpen(linkFd: number): number;
}

export interface Native extends SystemCalls, Figures, Heaps {
  /** `onExit` must not throw. @param ktimeNs CLOCK_MONOTONIC when the watcher noticed the exit */
  ExitWatcher: new (
    onExit: (token: number, ktimeNs: bigint) => void,
  ) => ExitWatcher;
  /** `onEvent` must not throw. @param ktimeNs CLOCK_MONOTONIC when the poller woke. @param gone the cgroup was removed */
  PsiWatcher: new (
    onEvent: (token: number, ktimeNs: bigint, gone: boolean) => void,
  ) => PsiWatcher;
  /** `onLeft` must not throw. */
  LevelWatcher: new (
    onLeft: () => void,
  ) => LevelWatcher;
  /** Starts reading at once. An error that `onBatch` throws becomes an uncaught exception. */
  RingReader: new (
    options: RingReaderOptions,
    onBatch: OnBatch,
  ) => RingReader;
  /**
   * Loads libbpf, which every function of BPF maps and rings needs. It stays loaded until the process ends.
   *
   * @param own the path of the package's copy; "" for none
   * @returns the name by which dlopen(3) finds the loaded library
   * @throws Error with the words of the dynamic loader
   */
  loadLibbpf(own: string): string;
  /** The lines that libbpf has logged on this thread since the last call. */
  takeLibbpfLog(): string;
  /** Keeps a shared library loaded until the process ends. @returns whether the library is loaded */
  keepLoaded(path: string): boolean;
  /** The size of a page in bytes. */
  pageSize(): number;
  /**
   * Searches a part of a regular file on a thread of libuv's pool, with a copy of the descriptor.
   *
   * @param length 1 to 64 MiB @param phrases 1 to 255 phrases of 4 to 255 bytes
   * @returns for each block of 4096 bytes, counted from `offset`: 1 + the greatest index of a phrase that begins in it, or 0
   * @throws Error: the file cannot be read
   */
  findPhrases(fd: number, offset: bigint, length: number, phrases: readonly string[]): Promise<Uint8Array>;
}

let native: Native | undefined;

/** @throws OomscopeError ADDON_MISSING */
export function loadNative(): Native {
  if (native) return native;
  const path = nativeFile(ADDON);
  try {
    native = createRequire(import.meta.url)(path) as Native;
    return native;
  } catch (cause) {
    throw new OomscopeError(
      'ADDON_MISSING',
      `The native addon could not be loaded from ${path}: ${reinstallRemedy(cause)}.`,
      { cause, detail: String((cause as Error).message) },
    );
  }
}

/**
 * Loads libbpf once: the system's, unless the package has a copy that is not older. Versions before 1.0 are named libbpf.so.0 and
 * cannot be used.
 *
 * @returns the name by which dlopen(3) finds the loaded library
 * @throws OomscopeError ADDON_MISSING, LIBBPF_MISSING
 */
export function loadLibbpf(): string {
  const addon = loadNative();
  try {
    return addon.loadLibbpf(optionalNativeFile('libbpf.so.1'));
  } catch (cause) {
    throw libbpfMissing(cause);
  }
}

/** The error for a machine without libbpf.so.1. */
export function libbpfMissing(cause: unknown): OomscopeError {
  const message = 'libbpf.so.1 cannot be loaded: install libbpf 1.0 or later (Debian: apt-get install libbpf1).';
  return new OomscopeError('LIBBPF_MISSING', message, { cause });
}
