/**
 * Reads files whose path comes from a user, or whose directory other users can write to. It refuses everything except
 * regular files, so that it cannot block on a FIFO, a device or a kernel log, and it never reads more than a limit.
 */
import { closeSync, constants, fstatSync, openSync, readSync, type Stats, statSync } from 'node:fs';
import { printable } from '../text/printable.ts';

const FLAGS = constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY;

export type FileContent = { bytes: Buffer; problem?: undefined } | { bytes?: undefined; problem: string };

/**
 * @param mostBytes a larger file is refused, not cut
 * @returns the whole content, or the reason why there is none, as the end of a sentence: "there is no such file"
 */
export function readRegularFile(path: string, mostBytes: number): FileContent {
  try {
    // Check the kind before open(), which would block on a FIFO and may have effects on a device.
    const wrong = kindProblem(statSync(path));
    return wrong === undefined ? readOpened(path, FLAGS, mostBytes) : { problem: wrong };
  } catch (error) {
    return { problem: systemProblem(error as NodeJS.ErrnoException) };
  }
}

/**
 * Reads a file with a secret, such as a token or a key, which no other user may be able to read.
 *
 * @param mostBytes a larger file is refused, not cut
 * @returns the whole content, or the reason why there is none, as readRegularFile(), with the remedy
 */
export function readSecretFile(path: string, mostBytes: number): FileContent {
  try {
    const wrong = kindProblem(statSync(path));
    return wrong === undefined
      ? readOpened(path, FLAGS, mostBytes, (opened) => secrecyProblem(opened, path))
      : { problem: wrong };
  } catch (error) {
    return { problem: systemProblem(error as NodeJS.ErrnoException) };
  }
}

/**
 * A file of root is fine: if the kernel lets this process read the file, nothing in the mode lets other users read it. Its group may
 * read it where that is root's, in whose place stat(2) shows an access control list (LoadCredential= of systemd), or a group of this
 * process (fsGroup of Kubernetes).
 */
function secrecyProblem({ uid, gid, mode, nlink }: Stats, path: string): string | undefined {
  const own = process.geteuid?.();
  if (uid !== 0 && uid !== own) return `it belongs to the user ${uid}: chown ${own} ${printable(path)}`;
  const mayRead = uid === 0 && (gid === 0 || process.getgroups?.().includes(gid)) ? 0o040 : 0;
  if ((mode & 0o077 & ~mayRead) === 0) return nlink > 1 ? HARD_LINK : undefined;
  const what = (mode & 0o044) !== 0 ? 'read' : (mode & 0o022) !== 0 ? 'change' : 'execute';
  return `other users can ${what} it (mode ${(mode & 0o7777).toString(8)}): chmod 600 ${printable(path)}, or defaultMode: 0400 of a mounted Secret`;
}

/**
 * Reads a file in a directory that the user `uid` can write to. The file must belong to this user, and must not be a
 * link, because this user can point a link at any file that this process can read.
 *
 * @param mostBytes a larger file is refused, not cut
 * @param check says what else is wrong with the opened file, as the end of a sentence
 * @returns the whole content, or the reason why there is none, as readRegularFile()
 */
export function readFileOf(
  uid: number,
  path: string,
  mostBytes: number,
  check: (opened: Stats) => string | undefined = () => undefined,
): FileContent {
  try {
    // With O_NONBLOCK, open() returns at once, also for a FIFO without a writer.
    return readOpened(path, FLAGS | constants.O_NOFOLLOW, mostBytes, (opened) =>
      opened.uid === uid ? check(opened) : `it belongs to the user ${opened.uid}, not to ${uid}`,
    );
  } catch (error) {
    return { problem: systemProblem(error as NodeJS.ErrnoException) };
  }
}

function readOpened(
  path: string,
  flags: number,
  mostBytes: number,
  check: (opened: Stats) => string | undefined = () => undefined,
): FileContent {
  const descriptor = openSync(path, flags);
  try {
    const opened = fstatSync(descriptor);
    const tooLarge = opened.size > mostBytes ? sizeProblem(mostBytes) : undefined;
    const problem = kindProblem(opened) ?? check(opened) ?? tooLarge;
    return problem === undefined ? readUpTo(descriptor, mostBytes) : { problem };
  } finally {
    closeSync(descriptor);
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
  return nlink > 1 && !isDirectory ? HARD_LINK : undefined;
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

const HARD_LINK = 'it has another name, too (a hard link)';
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
    case 'ELOOP':
      return 'it is a symbolic link';
    default:
      return `it cannot be read: ${code}`;
  }
}
