/**
 * A handle of one process: its pid and start time, and an open pidfd. The handle can never refer to another
 * process that reuses the pid.
 */
import { closeSync, openSync, readFileSync, readSync } from 'node:fs';
import { constants } from 'node:os';
import { parseStat } from '../linux/process-files.ts';
import { processFiles } from '../linux/process-reader.ts';
import type { ProcessIdentity, ProcessRecord } from '../linux/process-record.ts';
import { OomscopeError } from '../model/error.ts';
import { loadNative } from '../native/addon.ts';
import { checked, failure } from '../native/system-call.ts';
import { ExitRegistry } from './exit-registry.ts';

export type { ProcessIdentity } from '../linux/process-record.ts';

/** The current state of a process. */
export interface ProcessState extends Pick<ProcessRecord, 'startTicks' | 'rssBytes'> {
  /** false for a zombie all of whose threads have ended. */
  alive: boolean;
  /** The process is in do_exit(), or is not alive. */
  dying: boolean;
}

export interface ProcessEnd {
  /** When the process became a zombie, CLOCK_MONOTONIC in ns. Its memory may not be free yet. */
  monoNs: bigint;
}

export class ProcessHandle implements ProcessIdentity, Disposable {
  readonly pid: number;
  readonly startTicks: number;
  readonly #pidfd: number;
  /**
   * Descriptor of /proc/PID/stat. It stays open, because opening a file needs memory, and state() must also work when
   * memory is short.
   */
  readonly #stat: number;
  #exited: Promise<ProcessEnd> | undefined;
  #unwatch: (() => void) | undefined;
  #holders = 1;

  private constructor({ pid, startTicks }: ProcessIdentity, pidfd: number, stat: number) {
    this.pid = pid;
    this.startTicks = startTicks;
    this.#pidfd = pidfd;
    this.#stat = stat;
  }

  /**
   * Two processes with the same pid differ in the clock tick (10 ms) in which they started. The kernel reuses a pid
   * only after it has used all others, and no machine starts that many processes within one tick.
   *
   * The kernel shows the process of a pidfd in the numbers of /proc (/proc/self/fdinfo, kernel/fork.c:
   * pidfd_show_fdinfo()), so that a pid is never taken for a pid of another namespace.
   *
   * @throws OomscopeError PROCESS_GONE (the process has exited, or another process has its pid), NOT_PERMITTED,
   *   SYSTEM_CALL
   */
  static open(identity: ProcessIdentity): ProcessHandle {
    const { pid } = identity;
    const opened = loadNative().pidfdOpen(pid);
    if (/ESRCH|EINVAL/.test(failure(opened) ?? '')) throw gone(identity, 'it has exited');
    const pidfd = checked(opened, 'pidfd_open', `process ${pid}`);
    let stat: number | undefined;
    try {
      stat = openSync(`/proc/${pid}/stat`, 'r');
      const handle = new ProcessHandle(identity, pidfd, stat);
      const shown = pidOfPidfd(pidfd);
      if (shown !== pid) throw gone(identity, otherProcess(shown));
      const seen = handle.state();
      // state() also checks the pidfd with signal 0. It succeeded, so the process still existed, and the pid and the
      // file were its own.
      if (seen && seen.startTicks !== identity.startTicks) {
        throw gone(identity, `its pid belongs to a process that started at ${seen.startTicks}`);
      }
      if (!seen?.alive) throw gone(identity, 'it has exited');
      return handle;
    } catch (error) {
      closeSync(pidfd);
      if (stat !== undefined) closeSync(stat);
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') throw gone(identity, 'it has exited');
      throw error;
    }
  }

  /** The pidfd, for the addon. @throws OomscopeError CLOSED */
  get fd(): number {
    if (this.#holders === 0) throw new OomscopeError('CLOSED', `The handle of process ${this.pid} is closed.`);
    return this.#pidfd;
  }

  /**
   * Sends a signal to the whole process. After SIGKILL the process gets a higher priority (see `hurryExit()`), so that it frees its
   * memory even while other processes use all CPU time. @returns false: the process has exited
   *
   * @throws OomscopeError NOT_PERMITTED, SYSTEM_CALL, CLOSED
   */
  signal(signal: NodeJS.Signals): boolean {
    const result = loadNative().pidfdSignal(this.fd, constants.signals[signal]);
    if (failure(result) === 'ESRCH') return false;
    checked(result, 'pidfd_send_signal', `${signal} to process ${this.pid}`);
    if (signal === 'SIGKILL') loadNative().hurryExit(this.fd, this.pid);
    return true;
  }

  /** Whether this process is still alive. A zombie is not alive. */
  stillSame(): boolean {
    const seen = this.state();
    return seen?.alive === true && seen.startTicks === this.startTicks;
  }

  /**
   * Resolves when the process exits. Never rejects; after close() it never settles.
   *
   * @throws OomscopeError SYSTEM_CALL (the first access needs one more file descriptor), CLOSED
   */
  get exited(): Promise<ProcessEnd> {
    if (!this.#exited) {
      const { promise, resolve } = Promise.withResolvers<ProcessEnd>();
      this.#unwatch = ExitRegistry.shared().watch(this.fd, (monoNs) => resolve({ monoNs }));
      this.#exited = promise;
    }
    return this.#exited;
  }

  /**
   * Frees the memory of a dying process, which may be stuck and unable to do so (process_mrelease(2), Linux 5.15). Runs
   * on another thread, because it takes longer the more memory there is.
   *
   * @returns "not dying": the process is not dying, or another process uses the same memory; "busy": try again
   *
   * @throws OomscopeError NOT_PERMITTED, SYSTEM_CALL, CLOSED
   */
  async release(): Promise<'released' | 'gone' | 'busy' | 'not dying' | 'unsupported'> {
    const result = await loadNative().processMrelease(this.fd);
    const refusals = {
      ESRCH: 'gone',
      EAGAIN: 'busy',
      EINTR: 'busy',
      EINVAL: 'not dying',
      ENOSYS: 'unsupported',
    } as const;
    const refusal = refusals[failure(result) as keyof typeof refusals];
    if (refusal) return refusal;
    checked(result, 'process_mrelease', `release of process ${this.pid}`);
    return 'released';
  }

  /**
   * Adds an owner, which must also call close(). Opening a second pidfd instead would need memory, which may be short.
   */
  share(): this {
    if (this.#holders === 0) throw new OomscopeError('CLOSED', `The handle of process ${this.pid} is closed.`);
    this.#holders++;
    return this;
  }

  /** Closes the handle once every owner has called this. */
  close(): void {
    if (this.#holders === 0 || --this.#holders > 0) return;
    this.#unwatch?.();
    closeSync(this.#pidfd);
    closeSync(this.#stat);
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /**
   * The current state of the process, read from files that are already open. undefined: the process has exited, and its
   * parent has called wait(2) for it.
   */
  state(): ProcessState | undefined {
    const { fd } = this;
    let line: Buffer;
    try {
      line = buffer.subarray(0, readSync(this.#stat, buffer, 0, buffer.length, 0));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ESRCH') return undefined;
      throw error;
    }
    const own = parseStat(line);
    if (!own) return undefined;
    // The main thread may have exited while other threads live. Then only the files of those threads have the state of
    // the process. Its pid cannot have been reused: the pidfd is checked after this read.
    const mainHasExited = 'ZXx'.includes(own.state) && own.threads > 1;
    const stat = (mainHasExited && processFiles.stat(`/proc/${this.pid}`)) || own;
    if (failure(loadNative().pidfdSignal(fd, 0)) === 'ESRCH') return undefined;
    const alive = mainHasExited || !'ZXx'.includes(own.state);
    return { startTicks: own.startTicks, alive, dying: !alive || stat.exiting, rssBytes: stat.rssBytes };
  }
}

/** /proc/PID/stat is one line of at most about 350 bytes. */
const buffer = Buffer.alloc(1024);

/**
 * The pid of a pidfd's process in the pid namespace of /proc. 0: the process is not in that namespace; -1: it has
 * exited; undefined: /proc does not show this process itself.
 */
function pidOfPidfd(pidfd: number): number | undefined {
  try {
    const shown = /^Pid:\s*(-?\d+)$/m.exec(readFileSync(`/proc/self/fdinfo/${pidfd}`, 'latin1'))?.[1];
    return shown === undefined ? undefined : Number(shown);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error; // EMFILE says nothing about the process
  }
}

/** pidfd_open(2) takes a pid of this process's own namespace, and /proc may belong to another pid namespace. */
function otherProcess(shown: number | undefined): string {
  if (shown === -1) return 'it has exited';
  const who = shown === undefined || shown === 0 ? 'a process that /proc does not show' : `process ${shown}`;
  return `the pidfd belongs to ${who}, because /proc is that of another pid namespace`;
}

function gone({ pid, startTicks }: ProcessIdentity, why: string): OomscopeError {
  return new OomscopeError('PROCESS_GONE', `Expected process ${pid}, started at tick ${startTicks}: ${why}.`);
}
