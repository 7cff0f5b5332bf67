/**
 * Reads files whose path comes from a user, or whose directory other users can write to. It refuses everything except
 * regular files, so that it cannot block on a FIFO, a device or a kernel log, and it never reads more than a limit.
 */
import { closeSync, constants, fstatSync, openSync, readSync, type Stats, statSync } from 'node:fs';

const FLAGS = constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY;

export type FileContent = { bytes: Buffer; problem?: undefined } | { bytes?: undefined; problem: string };

/**
 * @param mostBytes a larger file is refused, not cut
 * @returns the whole content, or the reason why there is none, as the end of a sentence: "there is no such file"
 */
export function readRegularFile(path: string, mostBytes: number): FileContent {
  let descriptor: number | undefined;
  try {
    // Check the kind before open(), which would block on a FIFO and may have effects on a device.
    const wrong = kindProblem(statSync(path));
    if (wrong !== undefined) return { problem: wrong };
    descriptor = openSync(path, FLAGS);
    const opened = fstatSync(descriptor);
    const problem = kindProblem(opened) ?? (opened.size > mostBytes ? sizeProblem(mostBytes) : undefined);
    return problem === undefined ? readUpTo(descriptor, mostBytes) : { problem };
  } catch (error) {
    return { problem: systemProblem(error as NodeJS.ErrnoException) };
  } finally {
    if (descriptor !== undefined) closeSync(descriptor);
  }
}

/** Returns "expected a regular file, got a FIFO" or the like; undefined for a regular file. */
export function kindProblem(stats: Pick<Stats, keyof Stats & `is${string}`>): string | undefined {
  if (stats.isFile()) return undefined;
  const kind = stats.isDirectory()
    ? 'a directory'
    : stats.isFIFO()
      ? 'a FIFO'
      : stats.isSocket()
        ? 'a socket'
        : stats.isSymbolicLink()
          ? 'a symbolic link'
          : 'a device';
  return `expected a regular file, got ${kind}`;
}

/**
 * Why a file cannot be trusted as oomscope's own: another user owns it, others can write to it, or it has a second hard
 * link.
 *
 * @param writable the permission bits that must not be set
 * @returns the reason as the end of a sentence; undefined: the file can be trusted
 */
export function ownershipProblem({ uid, mode, nlink }: Stats, writable = 0o022): string | undefined {
  if (uid !== process.geteuid?.()) return `it belongs to the user ${uid}`;
  if ((mode & writable) !== 0) return `other users can write to it (mode ${(mode & 0o7777).toString(8)})`;
  const isDirectory = (mode & constants.S_IFMT) === constants.S_IFDIR;
  return nlink > 1 && !isDirectory ? 'it has another name, too (a hard link)' : undefined;
}

/** Reads until the end, because files of /proc have content although stat(2) reports a size of 0. */
function readUpTo(descriptor: number, mostBytes: number): FileContent {
  const chunks: Buffer[] = [];
  for (let length = 0; ; ) {
    const chunk = Buffer.allocUnsafe(65_536);
    const got = readSync(descriptor, chunk, 0, chunk.length, null);
    if (got === 0) return { bytes: Buffer.concat(chunks) };
    length += got;
    if (length > mostBytes) return { problem: sizeProblem(mostBytes) };
    chunks.push(chunk.subarray(0, got));
  }
}

const sizeProblem = (mostBytes: number) => `it is larger than ${mostBytes / 1024} KiB`;

/** Why a file cannot be read, as the end of a sentence. */
export function systemProblem({ code }: NodeJS.ErrnoException): string {
  switch (code) {
    case 'ENOENT':
      return 'there is no such file';
    case 'EACCES':
    case 'EPERM':
      return `permission denied (${code})`;
    case 'EAGAIN':
      return 'reading it would wait for new content';
    default:
      return `it cannot be read: ${code}`;
  }
}
