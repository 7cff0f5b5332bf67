/**
 * Reads and writes the oom_score_adj of one process, and never of another process that reuses the pid. The directory
 * /proc/PID is opened first, and both files (stat, oom_score_adj) are opened through it. When the process has exited,
 * its open directory is empty.
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

  /**
   * @throws OomscopeError PROCESS_GONE: it has exited, or another process has its pid; NOT_PERMITTED: it belongs to
   *   another user
   */
  static open({ pid, startTicks: ticks }: ProcessIdentity): ScoreAdjFile {
    let directory: number | undefined;
    try {
      directory = openSync(`/proc/${pid}`, constants.O_RDONLY | constants.O_DIRECTORY);
      const seen = processFiles.stat(`/proc/self/fd/${directory}`)?.startTicks;
      if (seen === undefined) throw gone(pid, 'it has exited');
      if (seen !== ticks) throw gone(pid, `its pid belongs to a process that started at tick ${seen}, not ${ticks}`);
      return new ScoreAdjFile(pid, openSync(`/proc/self/fd/${directory}/oom_score_adj`, 'r+'));
    } catch (error) {
      throw refusal(pid, error, 'writing the oom_score_adj of another user needs CAP_DAC_OVERRIDE');
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
   * Writes the value. __set_oom_adj() in fs/proc/base.c: to set a value below the lowest one that a writer with
   * CAP_SYS_RESOURCE has set, the caller needs that capability, and the value then becomes the new lowest. Processes
   * that share the memory (vfork, CLONE_VM) get the value, too.
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
