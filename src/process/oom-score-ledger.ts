/**
 * Raised oom_score_adj values, and the way back: also after a crash, from a file that the next start reads.
 */
import { closeSync, openSync, readFileSync, readSync, renameSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { bootId } from '../linux/boot-id.ts';
import { startTicksOf } from '../linux/process.ts';
import { OomscopeError } from '../model/error.ts';
import { ProcessHandle, type ProcessIdentity } from './process-handle.ts';

/** What became of a value that was raised from `from` to `to`. */
export interface Restored extends ProcessIdentity {
  from: number;
  to: number;
  /** "changed": somebody else has set another value since, which is left alone. */
  outcome: 'restored' | 'gone' | 'changed' | 'refused';
}

interface Raised extends ProcessIdentity {
  from: number;
  to: number;
}

interface StateFile {
  boot_id: string;
  owner: ProcessIdentity;
  raised: Raised[];
}

export class AdjustmentLedger {
  readonly #path: string | undefined;
  readonly #raised = new Map<number, Raised & { file: number; holders: number }>();

  /** @param path the state file, undefined for none. Use `recover()` on it first */
  constructor(path?: string) {
    this.#path = path;
  }

  /**
   * Never lowers. The value to go back to is in the file before the new one is in the kernel. A process may be raised again
   * while it is: it goes back when each of them has called restore().
   *
   * @returns false: it was as high already, or the process has ended
   * @throws OomscopeError NOT_PERMITTED; what the file system says of the state file
   */
  raise(handle: ProcessHandle, to: number): boolean {
    const { pid, startTicks } = handle;
    const known = this.#raised.get(pid);
    const file = known?.file ?? open(pid);
    if (file === undefined) return false;
    const now = readAdj(file);
    // The handle's process lives, so the file that was opened before is its own.
    if (now === undefined || (now >= to && !known) || !handle.stillSame()) {
      if (!known) closeSync(file);
      return false;
    }
    const raised = known ?? { pid, startTicks, from: now, to, file, holders: 0 };
    raised.holders++;
    if (known && now >= to) return true;
    raised.to = to;
    this.#raised.set(pid, raised);
    try {
      this.#save();
      writeSync(file, String(to), 0);
      return true;
    } catch (error) {
      this.restore(pid);
      if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
      throw denied(pid, error);
    }
  }

  /** Of one raise(). @returns undefined: it was not raised, or others hold it. Never throws */
  restore(pid: number): Restored | undefined {
    const raised = this.#raised.get(pid);
    if (!raised || --raised.holders > 0) return undefined;
    this.#raised.delete(pid);
    const { file, holders: _, ...rest } = raised;
    const outcome = putBack(file, rest);
    closeSync(file);
    try {
      this.#save();
    } catch {
      // Then the file says too much: the next start finds the value changed, and leaves it.
    }
    return { ...rest, outcome };
  }

  restoreAll(): Restored[] {
    return [...this.#raised.values()].flatMap((raised) => {
      raised.holders = 1;
      return this.restore(raised.pid) ?? [];
    });
  }

  /**
   * Puts back what a run that crashed has left in the file, and removes it. A file that cannot be understood, or that is
   * of another boot, is removed only.
   *
   * @throws OomscopeError USAGE: the one who wrote it is alive
   */
  static recover(path: string): Restored[] {
    const state = readState(path);
    if (!state) {
      rmSync(path, { force: true });
      return [];
    }
    if (state.boot_id === bootId() && startTicksOf(state.owner.pid) === state.owner.startTicks) {
      throw new OomscopeError(
        'USAGE',
        `${path} is in use by process ${state.owner.pid}: end that one first, or use another state file.`,
      );
    }
    const restored = state.boot_id === bootId() ? state.raised.map(recoverOne) : [];
    rmSync(path, { force: true });
    return restored;
  }

  #save(): void {
    if (this.#path === undefined) return;
    if (this.#raised.size === 0) {
      rmSync(this.#path, { force: true });
      return;
    }
    const raised = [...this.#raised.values()].map(({ pid, startTicks, from, to }) => ({ pid, startTicks, from, to }));
    const owner = { pid: process.pid, startTicks: startTicksOf(process.pid) ?? 0 };
    const state: StateFile = { boot_id: bootId() ?? '', owner, raised };
    const next = `${this.#path}.new`;
    writeFileSync(next, `${JSON.stringify(state)}\n`, { mode: 0o600 });
    renameSync(next, this.#path);
  }
}

function recoverOne(raised: Raised): Restored {
  try {
    using handle = ProcessHandle.open(raised);
    const file = openSync(`/proc/${raised.pid}/oom_score_adj`, 'r+');
    try {
      return { ...raised, outcome: handle.stillSame() ? putBack(file, raised) : 'gone' };
    } finally {
      closeSync(file);
    }
  } catch (error) {
    const gone = error instanceof OomscopeError && error.code === 'PROCESS_GONE';
    return { ...raised, outcome: gone ? 'gone' : 'refused' };
  }
}

function open(pid: number): number | undefined {
  try {
    return openSync(`/proc/${pid}/oom_score_adj`, 'r+');
  } catch (error) {
    if (['ENOENT', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '')) return undefined;
    throw denied(pid, error);
  }
}

/** A file of /proc that was opened belongs to that process for good: a write after its end fails. */
function putBack(file: number, { from, to }: Raised): Restored['outcome'] {
  try {
    const now = readAdj(file);
    if (now === undefined) return 'gone';
    if (now !== to) return 'changed';
    writeSync(file, String(from), 0);
    return 'restored';
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH' ? 'gone' : 'refused';
  }
}

const buffer = Buffer.alloc(16);

function readAdj(file: number): number | undefined {
  try {
    return Number(buffer.toString('latin1', 0, readSync(file, buffer, 0, buffer.length, 0)));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return undefined;
    throw error;
  }
}

function readState(path: string): StateFile | undefined {
  try {
    const state = JSON.parse(readFileSync(path, 'utf8')) as Partial<StateFile>;
    const isIdentity = (one?: Partial<ProcessIdentity>) =>
      Number.isSafeInteger(one?.pid) && Number(one?.pid) > 0 && Number.isSafeInteger(one?.startTicks);
    const isAdj = (value?: number) => Number.isInteger(value) && Math.abs(value as number) <= 1000;
    const sound =
      typeof state.boot_id === 'string' &&
      isIdentity(state.owner) &&
      Array.isArray(state.raised) &&
      state.raised.every((one) => isIdentity(one) && isAdj(one.from) && isAdj(one.to));
    return sound ? (state as StateFile) : undefined;
  } catch {
    return undefined;
  }
}

function denied(pid: number, cause: unknown): OomscopeError {
  const code = (cause as NodeJS.ErrnoException).code ?? String(cause);
  return new OomscopeError('NOT_PERMITTED', `The oom_score_adj of process ${pid} cannot be raised: ${code}.`, {
    cause,
  });
}
