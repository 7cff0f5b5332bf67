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
  const fd = lockedFileIfFree(path);
  if (fd !== undefined) return fd;
  const holder = holderOf(path);
  const by = holder === undefined ? 'another process' : `process ${holder}`;
  throw new OomscopeError(
    'USAGE',
    `${path} is in use by ${by}: stop that process first, or choose another file with --state-file.`,
  );
}

/** As `lockedFile()`. @returns undefined: another process has the lock. @throws OomscopeError BAD_INPUT, NOT_PERMITTED, OUTPUT */
export function lockedFileIfFree(path: string): number | undefined {
  const { O_RDWR, O_CREAT, O_APPEND, O_NOFOLLOW, O_NONBLOCK } = constants;
  for (;;) {
    const fd = onFile(path, () => openSync(path, O_RDWR | O_CREAT | O_APPEND | O_NOFOLLOW | O_NONBLOCK, 0o600));
    try {
      checkOwn(path, fd);
      if (failure(loadNative().lockFile(fd)) !== undefined) {
        closeSync(fd);
        return undefined;
      }
      if (statSync(path, { throwIfNoEntry: false })?.ino === fstatSync(fd).ino) return fd;
    } catch (error) {
      closeSync(fd);
      throw error;
    }
    closeSync(fd);
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
export function holderOf(path: string): number | undefined {
  const file = statSync(path, { bigint: true, throwIfNoEntry: false });
  if (!file) return undefined;
  // fs/locks.c prints the device as MAJOR:MINOR in hexadecimal.
  const hex = (part: bigint) => part.toString(16).padStart(2, '0');
  const major = ((file.dev >> 8n) & 0xfffn) | ((file.dev >> 32n) & ~0xfffn);
  const minor = (file.dev & 0xffn) | ((file.dev >> 12n) & ~0xffn);
  const place = ` ${hex(major)}:${hex(minor)}:${file.ino} `;
  const lock = readIfPresent('/proc/locks')
    ?.split('\n')
    .find((line) => / FLOCK /.test(line) && line.includes(place));
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
