/**
 * The processes of a victim. A pidfd for each is opened when the victim is chosen, so that a signal can never reach
 * another process that reuses the pid. If too few files may be open, the pidfds of some are opened only for each signal.
 */
import { closeSync, openSync, writeFileSync } from 'node:fs';
import { pidsBelow } from '../../linux/cgroup-pids.ts';
import { handlesSignal, startTicksOf } from '../../linux/process-reader.ts';
import { OomscopeError } from '../../model/error.ts';
import type { SampledProcess } from '../../model/sample.ts';
import { ProcessHandle, type ProcessIdentity } from '../../process/process-handle.ts';
import type { Candidate } from '../rules/rank.ts';

/**
 * In a cgroup without cgroup.kill, the guard looks at most this many times for processes that were forked meanwhile.
 */
const MOST_ROUNDS = 10;

/** Whether a process, in its current state, may still be signalled with the victim. */
export type MaySignal = (pid: number) => boolean;

export class Victim implements Disposable {
  readonly candidate: Candidate;
  /** The first process. The guard chose the victim by the values of this process. */
  readonly lead: ProcessHandle;
  /** The lead is always the first of them. */
  #handles: ProcessHandle[];
  /** Processes without an open handle, because too many files were open. The victim counts as gone without them. */
  #others: ProcessIdentity[];
  /** The directory of the cgroup, if the whole cgroup is the victim. */
  readonly #directory: string | undefined;
  #exited: Promise<bigint> | undefined;

  private constructor(
    candidate: Candidate,
    [lead, ...handles]: [ProcessHandle, ...ProcessHandle[]],
    others: ProcessIdentity[],
    directory: string | undefined,
  ) {
    this.candidate = candidate;
    this.lead = lead;
    this.#handles = [lead, ...handles];
    this.#others = others;
    this.#directory = directory;
  }

  /**
   * Opens a pidfd for each process. undefined: the first process has exited.
   *
   * @param directory the directory of the target's cgroup; it is used only if the whole cgroup is the victim
   * @param known a handle of the first process, where the caller has one
   * @throws OomscopeError NOT_PERMITTED, SYSTEM_CALL; an error of Node if no file can be opened
   */
  static take(candidate: Candidate, directory: string | undefined, known?: ProcessHandle): Victim | undefined {
    const handles: ProcessHandle[] = [];
    const others: ProcessIdentity[] = [];
    for (const [i, { pid, start_ticks: startTicks }] of candidate.members.entries()) {
      const identity = { pid, startTicks };
      if (others.length > 0) {
        others.push(identity);
        continue;
      }
      try {
        const same = known?.pid === pid && known.startTicks === startTicks;
        handles.push(watched(same ? known.share() : ProcessHandle.open(identity)));
      } catch (error) {
        const gone = error instanceof OomscopeError && error.code === 'PROCESS_GONE';
        if (gone && i > 0) continue;
        if (i > 0 && lacksFiles(error)) {
          others.push(...closeHalf(handles), identity);
          continue;
        }
        for (const handle of handles) handle.close();
        if (gone) return undefined;
        throw error;
      }
    }
    const whole = candidate.target.takes === 'cgroup' ? directory : undefined;
    return new Victim(candidate, handles as [ProcessHandle, ...ProcessHandle[]], others, whole);
  }

  /**
   * Resolves when all processes have exited, except those that must not be signalled, to the time of the last exit
   * (CLOCK_MONOTONIC in ns). Read it again after each signal.
   */
  get exited(): Promise<bigint> {
    this.#exited ??= Promise.all(this.#handles.map(({ exited }) => exited)).then((ends) =>
      ends.reduce((last, { monoNs }) => (monoNs > last ? monoNs : last), 0n),
    );
    return this.#exited;
  }

  /** @param read reads the current state of a process */
  state(read: (pid: number) => SampledProcess | undefined): 'alive' | 'dying' | 'gone' {
    let state: 'dying' | 'gone' = 'gone';
    for (const handle of this.#handles) {
      if (!handle.stillSame()) continue;
      if (read(handle.pid)?.dying === false) return 'alive';
      state = 'dying';
    }
    return state;
  }

  /** Sends a signal to all processes that have a handler for it. @returns how many processes the signal reached */
  ask(signal: NodeJS.Signals, may: MaySignal): number {
    return this.#send(
      signal,
      this.#allowed(may).filter(({ pid }) => handlesSignal(pid, signal)),
    );
  }

  /** Sends SIGTERM to all processes. @returns how many processes the signal reached */
  terminate(may: MaySignal): number {
    return this.#send('SIGTERM', this.#allowed(may));
  }

  /**
   * Sends SIGKILL to all processes of the victim. For a whole cgroup, it writes cgroup.kill (Linux 5.14). Without that
   * file, or if a process in the cgroup or below it must not be killed, it signals each process by its pidfd, including
   * those that were forked meanwhile.
   */
  kill(may: MaySignal): { reached: number; by: 'pidfd' | 'cgroup.kill' } {
    const directory = this.#directory;
    const allowed = this.#allowed(may);
    if (directory !== undefined && allowed.includes(this.lead)) {
      const { pids, complete } = this.#newcomers(directory);
      if (complete && pids.every(may) && write(`${directory}/cgroup.kill`, '1')) {
        return { reached: allowed.length, by: 'cgroup.kill' };
      }
    }
    let reached = this.#send('SIGKILL', allowed);
    for (let round = 0; directory !== undefined && round < MOST_ROUNDS; round++) {
      const late = this.#newcomers(directory)
        .pids.filter(may)
        .filter((pid) => this.#killLate(pid));
      if (late.length === 0) break;
      reached += late.length;
    }
    return { reached, by: 'pidfd' };
  }

  /** Frees the memory of the processes that were signalled and have not exited yet, by process_mrelease(2). */
  async release(): Promise<string> {
    const outcomes = await Promise.all(this.#handles.map((handle) => handle.release()));
    return [...new Set(outcomes)].join(', ');
  }

  close(): void {
    for (const handle of this.#handles) handle.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /**
   * The processes that may be signalled now. The victim gives up the others, and exits without them. It keeps the first
   * process, because the response ends when that one may not be signalled.
   */
  #allowed(may: MaySignal): ProcessIdentity[] {
    const { lead } = this;
    const [kept, refused] = [[lead], []] as [ProcessHandle[], ProcessHandle[]];
    for (const handle of this.#handles.slice(1)) (may(handle.pid) ? kept : refused).push(handle);
    this.#others = this.#others.filter(({ pid }) => may(pid));
    if (refused.length > 0) {
      for (const handle of refused) handle.close();
      this.#handles = kept;
      this.#exited = undefined;
    }
    return [...(may(lead.pid) ? [lead] : []), ...kept.slice(1), ...this.#others];
  }

  #send(signal: NodeJS.Signals, processes: readonly ProcessIdentity[]): number {
    return processes.filter((each) => (each instanceof ProcessHandle ? each.signal(signal) : signalOnce(each, signal)))
      .length;
  }

  /** Processes that are now in the cgroup or below it but were not chosen, such as forked children. */
  #newcomers(directory: string): { pids: number[]; complete: boolean } {
    const known = new Set([...this.#handles, ...this.#others].map(({ pid }) => pid));
    const { pids, complete } = pidsBelow(directory);
    return { pids: [...pids].filter((pid) => pid > 1 && !known.has(pid)), complete };
  }

  #killLate(pid: number): boolean {
    const startTicks = startTicksOf(pid);
    if (startTicks === undefined) return false;
    const identity = { pid, startTicks };
    if (this.#others.length === 0) {
      try {
        const handle = watched(ProcessHandle.open(identity));
        this.#handles.push(handle);
        this.#exited = undefined;
        return handle.signal('SIGKILL');
      } catch (error) {
        if (!lacksFiles(error)) return false; // the process has exited
        this.#others.push(...closeHalf(this.#handles));
        this.#exited = undefined;
      }
    }
    this.#others.push(identity);
    return signalOnce(identity, 'SIGKILL');
  }
}

/**
 * Begins to watch for the exit, which needs a descriptor of its own. Each sample needs one more. @throws what
 * `lacksFiles()` tells, after it has closed the handle
 */
function watched(handle: ProcessHandle): ProcessHandle {
  try {
    void handle.exited;
    closeSync(openSync('/dev/null', 'r'));
    return handle;
  } catch (error) {
    handle.close();
    throw error;
  }
}

/** Opens a handle only for this signal. @returns false: the process has exited, or no file can be opened */
function signalOnce(identity: ProcessIdentity, signal: NodeJS.Signals): boolean {
  try {
    using handle = ProcessHandle.open(identity);
    return handle.signal(signal);
  } catch {
    return false;
  }
}

function lacksFiles(error: unknown): boolean {
  const { code, cause } = error as NodeJS.ErrnoException;
  return ['EMFILE', 'ENFILE', 'ENOMEM'].includes((cause as NodeJS.ErrnoException | undefined)?.code ?? code ?? '');
}

/**
 * Closes the last half of the handles, because samples and the steps open files, too. @returns the processes of the
 * closed handles
 */
function closeHalf(handles: ProcessHandle[]): ProcessIdentity[] {
  return handles.splice(Math.ceil(handles.length / 2)).map((handle) => {
    handle.close();
    return { pid: handle.pid, startTicks: handle.startTicks };
  });
}

function write(path: string, text: string): boolean {
  try {
    writeFileSync(path, text);
    return true;
  } catch {
    return false;
  }
}
