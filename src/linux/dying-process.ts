/**
 * Reads the facts about a victim that only /proc has. It reads on libuv's threads: while the kernel prints its "Killed
 * process" line it holds the victim's task_lock(), and a reader of /proc/PID/{cmdline,exe,stat} spins in the kernel for
 * milliseconds.
 */
import { readFile, readlink } from 'node:fs/promises';
import { memoryCgroup, parseStat } from './process-files.ts';
import type { ProcessRecord } from './process-record.ts';

/** Facts about a process that is being killed. undefined: it could not be read any more. */
export interface DyingProcess {
  startTicks: ProcessRecord['startTicks'] | undefined;
  comm: ProcessRecord['comm'] | undefined;
  ppid: ProcessRecord['ppid'] | undefined;
  exe: string | undefined;
  cgroup: string | undefined;
  /** The content of /proc/PID/cmdline: arguments, each followed by a NUL. */
  cmdline: Buffer | undefined;
}

/**
 * Reads a process that is being killed. Never rejects.
 *
 * @param tid the thread that the kernel marked. If the main thread has exited and other threads live, only the files of
 *   those threads have content
 */
export async function readDyingProcess(pid: number, tid: number, proc = '/proc'): Promise<DyingProcess> {
  const thread = `${proc}/${pid}/task/${tid}`;
  const [cmdline, exe, stat, cgroup] = await Promise.all([
    quietly(readFile(`${thread}/cmdline`)),
    quietly(readlink(`${thread}/exe`)),
    quietly(readFile(`${proc}/${pid}/stat`)),
    quietly(readFile(`${thread}/cgroup`, 'utf8')),
  ]);
  const known = stat && parseStat(stat);
  return {
    startTicks: known?.startTicks,
    comm: known?.comm,
    ppid: known?.ppid,
    exe,
    cgroup: cgroup && memoryCgroup(cgroup),
    cmdline: cmdline && cmdline.length > 0 ? cmdline : undefined,
  };
}

async function quietly<T>(promise: Promise<T>): Promise<T | undefined> {
  try {
    return await promise;
  } catch {
    return undefined;
  }
}
