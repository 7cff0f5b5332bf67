/** The file of the history: where it is by default, who may use it, and what happens to a damaged one. */
import {
  chmodSync,
  closeSync,
  constants,
  existsSync,
  fstatSync,
  lstatSync,
  openSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs';
import { homedir } from 'node:os';
import { dirname, isAbsolute, join } from 'node:path';
import { kindProblem, ownershipProblem } from '../linux/regular-file.ts';
import { makeDirectory } from '../linux/state-directory.ts';
import { OomscopeError } from '../model/error.ts';
import { printable } from '../text/printable.ts';

/** The owner reads and writes, the group reads. Command lines of processes are in the file, so others may not. */
export const FILE_MODE = 0o640;

/** The files that SQLite makes beside the database. */
const COMPANIONS = ['', '-wal', '-shm', '-journal'];

const OF_ROOT = '/var/lib/oomscope';

/** The file of the history if the configuration names none: in the state directory, which outlives the boot. */
export function defaultHistoryPath(env: NodeJS.ProcessEnv = process.env, uid = process.geteuid?.()): string {
  const ofUnit = env.STATE_DIRECTORY?.split(':')[0];
  const ofUser = env.XDG_STATE_HOME ?? join(env.HOME ?? homedir(), '.local/state');
  const directory = ofUnit ?? (uid === 0 ? OF_ROOT : join(ofUser, 'oomscope'));
  return join(directory, 'history.db');
}

/** A sentence, after a space, for a user without a history on a machine where root's daemon may keep one; else "". */
export function hintOfRoot(uid = process.geteuid?.(), directory = OF_ROOT): string {
  if (uid === 0 || !existsSync(directory)) return '';
  return ` The history of root’s daemon is in ${directory}: run the command as root (sudo).`;
}

/**
 * Makes the directory and an empty file, if they are missing, and checks that only this user can write to them. A file
 * system that is full or read-only is no error here: the history is written as soon as it can be.
 *
 * @throws OomscopeError CONFIG
 */
export function prepareHistoryFile(path: string): void {
  const wrong = (what: string) => new OomscopeError('CONFIG', `The history ${printable(path)}: ${what}`);
  if (!isAbsolute(path)) throw wrong('expected an absolute path.');
  try {
    makeDirectory(dirname(path), 0o750);
  } catch (error) {
    throw wrong(`its directory cannot be made (${(error as NodeJS.ErrnoException).code}).`);
  }
  const directory = statSync(dirname(path));
  const unsafe = directory.isDirectory() ? ownershipProblem(directory) : 'expected a directory';
  if (unsafe !== undefined) throw wrong(`expected a directory of this user alone, but ${unsafe}: choose another.`);
  for (const suffix of COMPANIONS) {
    const stats = lstatSync(path + suffix, { throwIfNoEntry: false });
    const problem = stats && (kindProblem(stats) ?? ownershipProblem(stats));
    if (problem !== undefined)
      throw wrong(`${printable(path + suffix)}: ${problem}: remove it, or choose another path.`);
  }
  createFile(path, wrong);
}

function createFile(path: string, wrong: (what: string) => OomscopeError): void {
  const flags = constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW | constants.O_NONBLOCK;
  let descriptor: number | undefined;
  try {
    descriptor = openSync(path, flags, FILE_MODE);
    // The umask of a service may be 0077, and an older file may have another mode.
    if ((fstatSync(descriptor).mode & 0o777) !== FILE_MODE) chmodSync(path, FILE_MODE);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'ENOSPC' && code !== 'EDQUOT' && code !== 'EIO')
      throw wrong(`it cannot be opened for writing (${code}).`);
  } finally {
    if (descriptor !== undefined) closeSync(descriptor);
  }
}

/**
 * Moves a damaged file aside, in the place of an earlier one, so that damaged files cannot fill the disk.
 *
 * @returns the new path
 */
export function moveAside(path: string): string {
  const aside = `${path}.damaged`;
  for (const suffix of COMPANIONS) rmSync(aside + suffix, { force: true });
  for (const suffix of COMPANIONS) {
    if (lstatSync(path + suffix, { throwIfNoEntry: false })) renameSync(path + suffix, aside + suffix);
  }
  closeSync(openSync(path, 'wx', FILE_MODE));
  chmodSync(path, FILE_MODE);
  return aside;
}
