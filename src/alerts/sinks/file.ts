/**
 * Appends JSON Lines to a file and rotates it: PATH is the newest file, PATH.1 the previous one, and so on. If another
 * program moves or removes the file, as logrotate does, a new file is made.
 */
import { type BigIntStats, constants, lstatSync, type Stats, statSync } from 'node:fs';
import { type FileHandle, lstat, open, rename, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { kindProblem, ownershipProblem } from '../../linux/regular-file.ts';
import type { Alert } from '../../model/alert.ts';
import { OomscopeError } from '../../model/error.ts';
import type { Receipt } from '../../model/receipt.ts';
import { formatBytes } from '../../text/format.ts';
import { printable } from '../../text/printable.ts';
import type { Sink } from './sink.ts';

export interface FileOptions {
  path: string;
  /** The file is rotated before it gets larger than this. Default 10 MiB. */
  mostBytes?: number;
  /** Number of rotated files to keep. Default 5. */
  keep?: number;
}

/** @throws OomscopeError USAGE: the directory does not exist, or `path` is not a regular file of this user */
export function file({ path, mostBytes = 10 * 1024 ** 2, keep = 5 }: FileOptions): Sink {
  check(path);
  let current: FileHandle | undefined;

  /** Opens the file that `path` names now, unless it is already open. */
  async function opened(): Promise<{ handle: FileHandle; size: number }> {
    if (current) {
      const [there, here] = await Promise.all([stat(path, { bigint: true }).catch(() => undefined), statOf(current)]);
      if (there?.ino === here.ino && there.dev === here.dev) return { handle: current, size: Number(here.size) };
      await close();
    }
    const planted = await lstat(path).catch(() => undefined);
    if (planted) refuse(kindProblem(planted));
    // Other users may have put a link or a FIFO here: open() must not follow the link or wait for a reader of the FIFO.
    const { O_WRONLY, O_APPEND, O_CREAT, O_NOFOLLOW, O_NONBLOCK } = constants;
    const handle = await open(path, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK, 0o600);
    current = handle;
    const stats = await handle.stat();
    const problem = fileProblem(stats);
    if (problem !== undefined) await close();
    refuse(problem);
    return { handle, size: stats.size };
  }

  async function rotate(): Promise<void> {
    if (keep === 0) await current?.truncate(0);
    await close();
    for (let number = keep; number > 0; number--) {
      await rename(number === 1 ? path : `${path}.${number - 1}`, `${path}.${number}`).catch(absent);
    }
  }

  async function close(): Promise<void> {
    const handle = current;
    current = undefined;
    await handle?.close();
  }

  async function write(alert: Alert): Promise<Receipt> {
    const line = Buffer.from(`${JSON.stringify(alert)}\n`);
    let { handle, size } = await opened();
    if (size > 0 && size + line.length > mostBytes) {
      await rotate();
      ({ handle, size } = await opened());
    }
    try {
      await handle.writeFile(line);
    } catch (error) {
      await handle.truncate(size).catch(() => {}); // removes the incomplete line
      throw error;
    }
    return { outcome: 'delivered', reply: `${formatBytes(line.length)} written` };
  }

  return {
    name: `file ${printable(path)}`,
    deliver: (alert) => write(alert).catch((error: NodeJS.ErrnoException) => ({ outcome: 'retry', reply: why(error) })),
    close,
  };
}

const statOf = (handle: FileHandle): Promise<BigIntStats> => handle.stat({ bigint: true });

function absent(error: NodeJS.ErrnoException): void {
  if (error.code !== 'ENOENT') throw error;
}

/** Refuses a file of another user, one that every user can write to, and one with a second name (a hard link). */
const fileProblem = (stats: Stats) => kindProblem(stats) ?? ownershipProblem(stats, 0o002);

/** @throws Error if there is a problem, with the problem as its message */
function refuse(problem: string | undefined): void {
  if (problem !== undefined) throw new Error(problem);
}

function why({ code, message }: NodeJS.ErrnoException): string {
  switch (code) {
    case 'ENOSPC':
      return 'its file system is full';
    case 'EDQUOT':
      return 'the disk quota is used up';
    default:
      return printable(message);
  }
}

function check(path: string): void {
  const wrong = (what: string) => new OomscopeError('USAGE', `file: ${what}.`);
  const directory = dirname(path);
  const parent = statSync(directory, { throwIfNoEntry: false });
  if (!parent?.isDirectory()) {
    throw wrong(
      `expected a path in an existing directory, got "${printable(path)}": make ${printable(directory)} first`,
    );
  }
  const there = lstatSync(path, { throwIfNoEntry: false });
  const problem = there && fileProblem(there);
  if (problem !== undefined) throw wrong(`"${printable(path)}": ${problem}`);
}
