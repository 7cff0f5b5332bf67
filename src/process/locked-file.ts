/**
 * Opens the file of an undo ledger. It must belong to this user, and a lock ensures that one process uses it at a time.
 */
import { closeSync, constants, fstatSync, openSync, statSync } from 'node:fs';
import { readIfPresent } from '../linux/read-if-present.ts';
import { OomscopeError } from '../model/error.ts';
import { loadNative } from '../native/addon.ts';
import { failure } from '../native/system-call.ts';

/**
 * Opens or creates a file, and locks it until the descriptor is closed. If another process replaces or removes the file
 * before this process has the lock, this function opens it again.
 *
 * @throws OomscopeError USAGE, BAD_INPUT, NOT_PERMITTED, OUTPUT
 */
export function lockedFile(path: string): number {
  const { O_RDWR, O_CREAT, O_APPEND, O_NOFOLLOW } = constants;
  for (;;) {
    const fd = onFile(path, () => openSync(path, O_RDWR | O_CREAT | O_APPEND | O_NOFOLLOW, 0o600));
    try {
      checkOwn(path, fd);
      if (failure(loadNative().lockFile(fd)) !== undefined) {
        const holder = holderOf(fd);
        const by = holder === undefined ? 'another process' : `process ${holder}`;
        throw new OomscopeError(
          'USAGE',
          `${path} is in use by ${by}: stop that process first, or choose another file with --state-file.`,
        );
      }
      if (statSync(path, { throwIfNoEntry: false })?.ino === fstatSync(fd).ino) return fd;
      closeSync(fd);
    } catch (error) {
      closeSync(fd);
      throw error;
    }
  }
}

/**
 * The values in the file are written to other processes and to cgroups, so no other user must be able to write the
 * file.
 */
function checkOwn(path: string, fd: number): void {
  const { uid, mode } = fstatSync(fd);
  const isFile = (mode & constants.S_IFMT) === constants.S_IFREG;
  if (isFile && uid === process.geteuid?.() && (mode & 0o077) === 0) return;
  const got = isFile ? `one of uid ${uid} with mode ${(mode & 0o777).toString(8)}` : 'no regular file';
  throw new OomscopeError(
    'BAD_INPUT',
    `${path}: expected an undo file of this user with mode 600, got ${got}. Choose another file with --state-file.`,
  );
}

/**
 * The process that has locked a file, from /proc/locks; undefined: unknown, for example because it is in another pid
 * namespace.
 */
function holderOf(fd: number): number | undefined {
  const { ino } = fstatSync(fd);
  const lock = readIfPresent('/proc/locks')
    ?.split('\n')
    .find((line) => / FLOCK /.test(line) && line.includes(`:${ino} `));
  const pid = Number(lock?.trim().split(/\s+/)[4]);
  return pid > 0 ? pid : undefined;
}

/**
 * Runs `act`, which opens or writes the file at `path`, and converts its errors. @throws OomscopeError NOT_PERMITTED,
 * OUTPUT
 */
export function onFile<T>(path: string, act: () => T): T {
  try {
    return act();
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    const denied = code === 'EACCES' || code === 'EPERM';
    const why = denied ? 'permission denied' : code;
    throw new OomscopeError(
      denied ? 'NOT_PERMITTED' : 'OUTPUT',
      `Cannot open or write the undo file ${path}: ${why}. Choose another file with --state-file.`,
      { cause },
    );
  }
}
