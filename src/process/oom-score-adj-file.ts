/**
 * The oom_score_adj of one process, and of no other that gets its pid: the directory /proc/PID is opened first, and both
 * files are opened through it. An open directory of a process that has exited is empty.
 */
import { closeSync, constants, openSync, readSync, writeSync } from 'node:fs';
import { processFiles } from '../linux/process-reader.ts';
import type { ProcessIdentity } from '../linux/process-record.ts';
import { OomscopeError } from '../model/error.ts';

export class ScoreAdjFile implements Disposable {
  readonly #pid: number;
  readonly #file: number;

  private constructor(pid: number, file: number) {
    this.#pid = pid;
    this.#file = file;
  }

  /** @throws OomscopeError PROCESS_GONE: it has exited, or another process has its pid; NOT_PERMITTED: another user's */
  static open({ pid, startTicks: ticks }: ProcessIdentity): ScoreAdjFile {
    let directory: number | undefined;
    try {
      directory = openSync(`/proc/${pid}`, constants.O_RDONLY | constants.O_DIRECTORY);
      const seen = processFiles.stat(`/proc/self/fd/${directory}`)?.startTicks;
      if (seen === undefined) throw gone(pid, 'it has exited');
      if (seen !== ticks) throw gone(pid, `its pid belongs to a process that started at tick ${seen}, not ${ticks}`);
      return new ScoreAdjFile(pid, openSync(`/proc/self/fd/${directory}/oom_score_adj`, 'r+'));
    } catch (error) {
      throw refusal(pid, error, 'it belongs to another user');
    } finally {
      if (directory !== undefined) closeSync(directory);
    }
  }

  /** @throws OomscopeError PROCESS_GONE */
  read(): number {
    try {
      return Number(buffer.toString('latin1', 0, readSync(this.#file, buffer, 0, buffer.length, 0)));
    } catch (error) {
      throw refusal(this.#pid, error, '');
    }
  }

  /**
   * fs/proc/base.c, __set_oom_adj(): to go below the lowest value that a writer with CAP_SYS_RESOURCE has set, the caller
   * needs that capability; with it, the value also becomes the new lowest. Processes that use the same memory (vfork, CLONE_VM)
   * get the value, too.
   *
   * @throws OomscopeError PROCESS_GONE, NOT_PERMITTED
   */
  write(value: number): void {
    try {
      writeSync(this.#file, String(value), 0);
    } catch (error) {
      throw refusal(this.#pid, error, `lowering its oom_score_adj to ${value} needs CAP_SYS_RESOURCE`);
    }
  }

  close(): void {
    closeSync(this.#file);
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

const buffer = Buffer.alloc(16);

const gone = (pid: number, why: string) => new OomscopeError('PROCESS_GONE', `Process ${pid}: ${why}.`);

function refusal(pid: number, error: unknown, why: string): unknown {
  const { code } = error as NodeJS.ErrnoException;
  if (code === 'ENOENT' || code === 'ESRCH') return gone(pid, 'it has exited');
  if (code !== 'EACCES' && code !== 'EPERM') return error;
  return new OomscopeError('NOT_PERMITTED', `Process ${pid}: ${why} (${code}).`, { cause: error });
}
