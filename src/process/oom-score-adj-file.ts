/**
 * The oom_score_adj of one process and no other: its directory of /proc is opened, and all else is reached through that. The
 * directory stays the process's own; when the pid is given to another, what is behind it is gone.
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

  /** @throws OomscopeError PROCESS_GONE: it has ended, or another has its pid; NOT_PERMITTED: it is another user's */
  static open({ pid, startTicks: ticks }: ProcessIdentity): ScoreAdjFile {
    let directory: number | undefined;
    try {
      directory = openSync(`/proc/${pid}`, constants.O_RDONLY | constants.O_DIRECTORY);
      const seen = processFiles.stat(`/proc/self/fd/${directory}`)?.startTicks;
      if (seen === undefined) throw gone(pid, 'it has ended');
      if (seen !== ticks) throw gone(pid, `its pid belongs to a process that started at tick ${seen}, not ${ticks}`);
      return new ScoreAdjFile(pid, openSync(`/proc/self/fd/${directory}/oom_score_adj`, 'r+'));
    } catch (error) {
      throw refusal(pid, error, 'it is another user’s');
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
   * fs/proc/base.c, __set_oom_adj(): below the least value that the process was given by somebody with CAP_SYS_RESOURCE it
   * takes that capability; with it, the value becomes that least one, too. Processes that share its memory get it as well.
   *
   * @throws OomscopeError PROCESS_GONE, NOT_PERMITTED
   */
  write(value: number): void {
    try {
      writeSync(this.#file, String(value), 0);
    } catch (error) {
      throw refusal(this.#pid, error, `to go down to ${value} takes CAP_SYS_RESOURCE`);
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
  if (code === 'ENOENT' || code === 'ESRCH') return gone(pid, 'it has ended');
  if (code !== 'EACCES' && code !== 'EPERM') return error;
  return new OomscopeError('NOT_PERMITTED', `Process ${pid}: ${why} (${code}).`, { cause: error });
}
