/** The processes that are to be killed, held by pidfds from the moment of choice: a signal reaches them, or no process. */
import { writeFileSync } from 'node:fs';
import { startTicksOf } from '../../linux/process-reader.ts';
import { readIfPresent } from '../../linux/read-if-present.ts';
import { OomscopeError } from '../../model/error.ts';
import type { SampledProcess } from '../../model/sample.ts';
import { ProcessHandle } from '../../process/process-handle.ts';
import type { Candidate } from '../rules/rank.ts';

/** How often a cgroup without cgroup.kill is gone through for what was forked meanwhile. */
const MOST_ROUNDS = 10;

export class Victim implements Disposable {
  readonly candidate: Candidate;
  readonly #handles: ProcessHandle[];
  /** Of the cgroup that goes as a whole. */
  readonly #directory: string | undefined;
  /** Settles when all that were chosen have ended: CLOCK_MONOTONIC of the last. */
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
   * undefined: the process that was chosen is gone, or is another by now.
   *
   * @param directory of the target's cgroup, where that is what is killed
   * @param known a handle of the first, where the caller has one
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

  /** The process that led to it. */
  get lead(): ProcessHandle {
    return this.#handles[0] as ProcessHandle;
  }

  /** @param read reads one process anew */
  state(read: (pid: number) => SampledProcess | undefined): 'alive' | 'dying' | 'gone' {
    let state: 'dying' | 'gone' = 'gone';
    for (const handle of this.#handles) {
      if (!handle.stillSame()) continue;
      if (read(handle.pid)?.dying === false) return 'alive';
      state = 'dying';
    }
    return state;
  }

  /** @returns how many were reached */
  terminate(): number {
    return this.#handles.filter((handle) => handle.signal('SIGTERM')).length;
  }

  /**
   * SIGKILL: all of the cgroup at once where the kernel can (5.14), else all that were chosen and what they have forked.
   *
   * @param mayDie whether a process that has joined the cgroup since may be killed
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

  /** Takes the memory of those that have been signalled, are dying and have not ended. */
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

  /** In the cgroup, and not among those chosen: forked since. */
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
      return false; // it has ended
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
