/**
 * What only /proc has of a victim. Read off the JavaScript thread: while the kernel prints its "Killed process" line it
 * holds the victim's task_lock, and whoever opens /proc/PID/{cmdline,exe,stat} then spins in the kernel for milliseconds.
 */
import { readFile, readlink } from 'node:fs/promises';
import { decode } from '../text/printable.ts';
import { readIfPresent } from './capabilities.ts';

export interface ProcessFiles {
  startTicks: number | undefined;
  comm: string | undefined;
  ppid: number | undefined;
  cmdline: Buffer | undefined;
  exe: string | undefined;
  /** Path of its memory cgroup. */
  cgroup: string | undefined;
}

/**
 * Whatever could still be read; undefined for the rest. Never rejects.
 *
 * @param tid the marked thread: where the leader has exited and its threads live, only theirs still has anything in it
 */
export async function readProcess(pid: number, tid: number, proc = '/proc'): Promise<ProcessFiles> {
  const thread = `${proc}/${pid}/task/${tid}`;
  const [cmdline, exe, stat, cgroup] = await Promise.all([
    quietly(readFile(`${thread}/cmdline`)),
    quietly(readlink(`${thread}/exe`)),
    quietly(readFile(`${proc}/${pid}/stat`, 'latin1')),
    quietly(readFile(`${thread}/cgroup`, 'utf8')),
  ]);
  return {
    startTicks: stat ? startTicks(stat) : undefined,
    comm: stat && decode(Buffer.from(stat.slice(stat.indexOf('(') + 1, stat.lastIndexOf(')')), 'latin1')).text,
    ppid: stat === undefined ? undefined : Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]),
    cmdline: cmdline && cmdline.length > 0 ? cmdline : undefined,
    exe,
    cgroup: cgroup && memoryCgroup(cgroup),
  };
}

/** Field 22 of /proc/PID/stat. The second field is a name in parentheses that may hold anything, `)` included. */
export function startTicks(stat: string): number | undefined {
  const field = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
  return field === undefined ? undefined : Number(field);
}

/** When a process started, as above; undefined: there is none. */
export function startTicksOf(pid: number, proc = '/proc'): number | undefined {
  const stat = readIfPresent(`${proc}/${pid}/stat`);
  return stat === undefined ? undefined : startTicks(stat);
}

/** The path in the hierarchy that has the memory controller: its own line on v1, the `0::` line on v2. */
export function memoryCgroup(text: string): string | undefined {
  let unified: string | undefined;
  for (const line of text.split('\n')) {
    const [hierarchy, controllers, ...path] = line.split(':');
    if (controllers?.split(',').includes('memory')) return path.join(':');
    if (hierarchy === '0') unified = path.join(':');
  }
  return unified;
}

async function quietly<T>(promise: Promise<T>): Promise<T | undefined> {
  try {
    return await promise;
  } catch {
    return undefined;
  }
}
