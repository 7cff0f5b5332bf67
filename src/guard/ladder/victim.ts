/**
 * The processes of a victim. A pidfd for each is opened when the victim is chosen, so that a signal can never reach
 * another process that reuses the pid.
 */
import { writeFileSync } from 'node:fs';
import { handlesSignal, startTicksOf } from '../../linux/process-reader.ts';
import { readIfPresent } from '../../linux/read-if-present.ts';
import { OomscopeError } from '../../model/error.ts';
import type { SampledProcess } from '../../model/sample.ts';
import { ProcessHandle } from '../../process/process-handle.ts';
import type { Candidate } from '../rules/rank.ts';

/**
 * In a cgroup without cgroup.kill, the guard looks at most this many times for processes that were forked meanwhile.
 */
const MOST_ROUNDS = 10;

export class Victim implements Disposable {
  readonly candidate: Candidate;
  readonly #handles: ProcessHandle[];
  /** The directory of the cgroup, if the whole cgroup is the victim. */
  readonly #directory: string | undefined;
  /** Resolves when all chosen processes have exited, to the time of the last exit (CLOCK_MONOTONIC in ns). */
  readonly exited: Promise<bigint>;

  private constructor(candidate: Candidate, handles: ProcessHandle[], directory: string | undefined) {
    this.candidate = candidate;
    this.#handles = handles;
    this.#directory = directory;
    this.exited = Promise.all(handles.map(({ exited }) => exited)).then((ends) =>
      ends.reduce((last, { monoNs }) => (monoNs > last ? monoNs : last), 0n),
    );
  }

  /**
   * Opens a pidfd for each process. undefined: the first process has exited.
   *
   * @param directory the directory of the target's cgroup; it is used only if the whole cgroup is the victim
   * @param known a handle of the first process, where the caller has one
   * @throws OomscopeError NOT_PERMITTED, SYSTEM_CALL
   */
  static take(candidate: Candidate, directory: string | undefined, known?: ProcessHandle): Victim | undefined {
    const handles: ProcessHandle[] = [];
    for (const [i, { pid, start_ticks }] of candidate.members.entries()) {
      try {
        const same = known?.pid === pid && known.startTicks === start_ticks;
        handles.push(same ? known.share() : ProcessHandle.open({ pid, startTicks: start_ticks }));
      } catch (error) {
        const gone = error instanceof OomscopeError && error.code === 'PROCESS_GONE';
        if (gone && i > 0) continue;
        for (const handle of handles) handle.close();
        if (gone) return undefined;
        throw error;
      }
    }
    return new Victim(candidate, handles, candidate.target.takes === 'cgroup' ? directory : undefined);
  }

  /** The first process. The guard chose the victim by the values of this process. */
  get lead(): ProcessHandle {
    return this.#handles[0] as ProcessHandle;
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
  ask(signal: NodeJS.Signals): number {
    return this.#handles.filter((handle) => handlesSignal(handle.pid, signal) && handle.signal(signal)).length;
  }

  /** Sends SIGTERM to all processes. @returns how many processes the signal reached */
  terminate(): number {
    return this.#handles.filter((handle) => handle.signal('SIGTERM')).length;
  }

  /**
   * Sends SIGKILL to all processes of the victim. For a whole cgroup, it writes cgroup.kill (Linux 5.14). Without that
   * file, or if a process in the cgroup must not be killed, it signals each process by its pidfd, including those that
   * were forked meanwhile.
   *
   * @param mayDie whether a process that has joined the cgroup since the choice may be killed
   */
  kill(mayDie: (pid: number) => boolean): { reached: number; by: 'pidfd' | 'cgroup.kill' } {
    const directory = this.#directory;
    if (directory !== undefined && this.#newcomers(directory).every(mayDie) && write(`${directory}/cgroup.kill`, '1')) {
      return { reached: this.#handles.length, by: 'cgroup.kill' };
    }
    let reached = this.#handles.filter((handle) => handle.signal('SIGKILL')).length;
    for (let round = 0; directory !== undefined && round < MOST_ROUNDS; round++) {
      const late = this.#newcomers(directory)
        .filter(mayDie)
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

  /** Processes that are now in the cgroup but were not chosen, such as forked children. */
  #newcomers(directory: string): number[] {
    const known = new Set(this.#handles.map(({ pid }) => pid));
    const pids = (readIfPresent(`${directory}/cgroup.procs`) ?? '').split('\n').map(Number);
    return pids.filter((pid) => pid > 1 && !known.has(pid));
  }

  #killLate(pid: number): boolean {
    const startTicks = startTicksOf(pid);
    if (startTicks === undefined) return false;
    try {
      const handle = ProcessHandle.open({ pid, startTicks });
      this.#handles.push(handle);
      return handle.signal('SIGKILL');
    } catch {
      return false; // the process has exited
    }
  }
}

function write(path: string, text: string): boolean {
  try {
    writeFileSync(path, text);
    return true;
  } catch {
    return false;
  }
}
