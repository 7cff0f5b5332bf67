/**
 * Reads /proc/PID. A caller names the files to read, and gets the fields of a ProcessRecord that these files contain.
 */
import { readdirSync, readlinkSync } from 'node:fs';
import { constants } from 'node:os';
import { decode, splitNul } from '../text/printable.ts';
import { memoryCgroup, parseCmdline, parseStat, parseStatus, parseSwap } from './process-files.ts';
import type { FieldsByFile, ProcessFields, ProcessFile, ProcessRecord } from './process-record.ts';
import { numberAt, readSmallFile } from './small-file.ts';

type Read<F extends ProcessFile> = (directory: string) => ProcessFields<F> | undefined;

/** Longer command lines are cut. */
const MOST_CMDLINE = 4096;

/**
 * A reader for each file. Its argument is /proc/PID, or /proc/PID/task/TID for a thread. It returns undefined if the
 * process has exited or the file may not be read. In these cases the reader of `exe` returns `exe: null`.
 *
 * The main thread of a process may exit before the other threads. The files of /proc/PID then show a zombie without
 * memory, program or arguments, although the process lives. The readers take these values from a thread that lives, as
 * find_lock_task_mm() in mm/oom_kill.c does. The name is always the name of the main thread.
 */
export const processFiles: { readonly [F in ProcessFile]: Read<F> } = {
  stat: (directory) => {
    const stat = parsed(`${directory}/stat`, parseStat);
    if (!stat || !mainHasExited(stat)) return stat;
    const thread = livingThread(directory);
    return thread ? { ...stat, ...livingFields(thread) } : stat;
  },
  status: orOfThread(
    (directory) => parsed(`${directory}/status`, parseStatus),
    ({ hasMemory }) => hasMemory,
  ),
  swap: orOfThread(
    (directory) => parsed(`${directory}/status`, parseSwap),
    () => true,
  ),
  comm: (directory) => parsed(`${directory}/comm`, (bytes) => ({ comm: decode(bytes).text.replace(/\n$/, '') })),
  cmdline: orOfThread(
    (directory) => parsed(`${directory}/cmdline`, (bytes) => ({ args: parseCmdline(bytes.subarray(0, MOST_CMDLINE)) })),
    ({ args }) => args.length > 0,
  ),
  exe: orOfThread(
    (directory) => ({ exe: link(`${directory}/exe`) }),
    ({ exe }) => exe !== null,
  ),
  // On cgroup v1 the kernel shows "/" for a thread that has exited (kernel/cgroup/cgroup.c: proc_cgroup_show()).
  cgroup: orOfThread(
    (directory) => parsed(`${directory}/cgroup`, (bytes) => ({ cgroup: memoryCgroup(bytes.toString('utf8')) ?? null })),
    ({ cgroup }) => cgroup !== '/',
  ),
  oom_score: (directory) => parsed(`${directory}/oom_score`, (bytes) => ({ oomScore: numberAt(bytes) })),
  oom_score_adj: (directory) =>
    parsed(`${directory}/oom_score_adj`, (bytes) => ({ oomScoreAdj: Number(bytes.toString('latin1')) })),
};

/**
 * Reads the given files of a process. If two files have the same field, the value of the later file is used.
 *
 * @returns undefined: a file cannot be read, because the process has exited or belongs to another user
 */
export function readProcess<F extends ProcessFile>(
  pid: number,
  files: readonly F[],
  proc = '/proc',
): Pick<ProcessRecord, 'pid' | FieldsByFile[F]> | undefined {
  const directory = `${proc}/${pid}`;
  const record: Partial<ProcessRecord> = { pid };
  for (const file of files) {
    const fields = processFiles[file](directory);
    if (!fields) return undefined;
    Object.assign(record, fields);
  }
  return record as Pick<ProcessRecord, 'pid' | FieldsByFile[F]>;
}

/** The working directory of a process; null: it has exited, or belongs to another user. */
export const workingDirectory = (directory: string): string | null => link(`${directory}/cwd`);

/** Names the pid namespace of a process, such as "pid:[4026531836]"; "": it has exited, or belongs to another user. */
export const pidNamespace = (directory: string): string => link(`${directory}/ns/pid`) ?? '';

/** The first 16 KiB of the environment that a process was started with; null: it cannot be read. */
export function environment(directory: string): string[] | null {
  const bytes = readSmallFile(`${directory}/environ`);
  return bytes ? splitNul(bytes).map((variable) => decode(variable).text) : null;
}

/** Whether a process has a handler for a signal (SigCgt of /proc/PID/status). false: it has none, or it has exited. */
export function handlesSignal(pid: number, signal: NodeJS.Signals, proc = '/proc'): boolean {
  const bytes = readSmallFile(`${proc}/${pid}/status`);
  const mask = bytes && /^SigCgt:\t([0-9a-f]+)$/m.exec(bytes.toString('latin1'))?.[1];
  return mask !== undefined && ((BigInt(`0x${mask}`) >> BigInt(constants.signals[signal] - 1)) & 1n) === 1n;
}

/** The start time of the process in clock ticks; undefined if there is no such process. */
export function startTicksOf(pid: number, proc = '/proc'): number | undefined {
  return processFiles.stat(`${proc}/${pid}`)?.startTicks;
}

/** The pids of all processes. @throws if the directory `proc` does not exist */
export function pidsIn(proc: string): Set<number> {
  const pids = new Set<number>();
  for (const name of readdirSync(proc)) {
    const first = name.charCodeAt(0);
    if (first > 0x30 && first <= 0x39) pids.add(Number(name));
  }
  return pids;
}

/** The time since boot in clock ticks, as the start of processes in /proc/PID/stat. */
export function uptimeTicks(): number {
  const uptime = readSmallFile('/proc/uptime')?.toString('latin1') ?? '';
  return Math.floor(Number(uptime.split(' ')[0]) * TICKS_PER_SECOND);
}

/** USER_HZ, which is 100 on all supported architectures. */
export const TICKS_PER_SECOND = 100;

type Stat = ProcessFields<'stat'>;

const mainHasExited = ({ state, threads }: Stat) => (state === 'Z' || state === 'X') && threads > 1;

/** The first thread of a process that lives, or else one that still has the memory; and its directory. */
function livingThread(directory: string): (Stat & { directory: string }) | undefined {
  let names: string[];
  try {
    names = readdirSync(`${directory}/task`);
  } catch {
    return undefined; // the process has exited, or `directory` belongs to a thread
  }
  let exiting: (Stat & { directory: string }) | undefined;
  for (const name of names) {
    const stat = parsed(`${directory}/task/${name}/stat`, parseStat);
    const thread = stat && { ...stat, directory: `${directory}/task/${name}` };
    if (thread?.exiting === false) return thread;
    if (thread && thread.rssBytes > 0) exiting ??= thread;
  }
  return exiting;
}

const livingFields = ({ state, rssBytes, stackStart, exiting }: ProcessFields<'stat'>) => ({
  state,
  rssBytes,
  stackStart,
  exiting,
});

/** @param has whether the files of /proc/PID have the values; if not, and the main thread has exited, a thread's do */
function orOfThread<T>(read: (directory: string) => T | undefined, has: (fields: T) => boolean) {
  return (directory: string): T | undefined => {
    const found = read(directory);
    if (found !== undefined && has(found)) return found;
    const stat = parsed(`${directory}/stat`, parseStat);
    const thread = stat && mainHasExited(stat) ? livingThread(directory) : undefined;
    return (thread && read(thread.directory)) ?? found;
  };
}

function parsed<T>(path: string, parse: (bytes: Buffer) => T | undefined): T | undefined {
  const bytes = readSmallFile(path);
  return bytes && parse(bytes);
}

function link(path: string): string | null {
  try {
    return readlinkSync(path);
  } catch {
    return null;
  }
}
