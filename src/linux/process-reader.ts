/**
 * The one reader of /proc/PID. A caller names the files that its question needs, and gets the part of a ProcessRecord that
 * they contain.
 */
import { readdirSync, readlinkSync } from 'node:fs';
import { decode } from '../text/printable.ts';
import { memoryCgroup, parseCmdline, parseStat, parseStatus, parseSwap } from './process-files.ts';
import type { FieldsByFile, ProcessFields, ProcessFile, ProcessRecord } from './process-record.ts';
import { numberAt, readSmallFile } from './small-file.ts';

type Read<F extends ProcessFile> = (directory: string) => ProcessFields<F> | undefined;

/** Longer command lines are cut. */
const MOST_CMDLINE = 4096;

/**
 * One file of a process each, by its directory: /proc/PID, or /proc/PID/task/TID for a thread. undefined: the process has
 * ended, or this process may not read the file. `exe` is null then.
 */
export const processFiles: { readonly [F in ProcessFile]: Read<F> } = {
  stat: (directory) => parsed(`${directory}/stat`, parseStat),
  status: (directory) => parsed(`${directory}/status`, parseStatus),
  swap: (directory) => parsed(`${directory}/status`, parseSwap),
  comm: (directory) => parsed(`${directory}/comm`, (bytes) => ({ comm: decode(bytes).text.replace(/\n$/, '') })),
  cmdline: (directory) =>
    parsed(`${directory}/cmdline`, (bytes) => ({ args: parseCmdline(bytes.subarray(0, MOST_CMDLINE)) })),
  exe: (directory) => ({ exe: link(`${directory}/exe`) }),
  cgroup: (directory) =>
    parsed(`${directory}/cgroup`, (bytes) => ({ cgroup: memoryCgroup(bytes.toString('utf8')) ?? null })),
  oom_score: (directory) => parsed(`${directory}/oom_score`, (bytes) => ({ oomScore: numberAt(bytes) })),
  oom_score_adj: (directory) =>
    parsed(`${directory}/oom_score_adj`, (bytes) => ({ oomScoreAdj: Number(bytes.toString('latin1')) })),
};

/**
 * A process, from these files; a later file's field replaces an earlier one's.
 *
 * @returns undefined when one of them cannot be read: the process has ended, or belongs to another user
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

/** When the process started; undefined when there is no such process. */
export function startTicksOf(pid: number, proc = '/proc'): number | undefined {
  return processFiles.stat(`${proc}/${pid}`)?.startTicks;
}

/** The processes that exist. @throws when there is no such directory */
export function pidsIn(proc: string): Set<number> {
  const pids = new Set<number>();
  for (const name of readdirSync(proc)) {
    const first = name.charCodeAt(0);
    if (first > 0x30 && first <= 0x39) pids.add(Number(name));
  }
  return pids;
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
