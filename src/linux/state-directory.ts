/** The directories in which oomscope keeps its state by default. They belong to its user, and no other user can write there. */
import { lstatSync, mkdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, isAbsolute, join } from 'node:path';
import { kindProblem, ownershipProblem } from './regular-file.ts';

/**
 * The directories, the preferred one first. RUNTIME_DIRECTORY and STATE_DIRECTORY are those of the systemd unit that
 * started this process.
 */
export function stateDirectories(
  env: NodeJS.ProcessEnv = process.env,
  uid: number | undefined = process.geteuid?.(),
): string[] {
  const ofUnit = (list: string | undefined) => list?.split(':')[0];
  const ofUser = (base: string | undefined) => base && join(base, 'oomscope');
  const places =
    uid === 0
      ? [ofUnit(env.RUNTIME_DIRECTORY), '/run/oomscope', ofUnit(env.STATE_DIRECTORY), '/var/lib/oomscope']
      : [
          ofUnit(env.RUNTIME_DIRECTORY),
          ofUser(env.XDG_RUNTIME_DIR),
          `/run/user/${uid}/oomscope`,
          join(tmpdir(), `oomscope-${uid}`),
        ];
  return [...new Set(places.filter((place): place is string => place !== undefined && isAbsolute(place)))];
}

/** The first of the directories that can be used. undefined: there is none. */
export const usableDirectory = (directories: readonly string[] = stateDirectories()): string | undefined =>
  directories.find((directory) => directoryProblem(directory) === undefined);

/** Makes a directory if it does not exist. @returns why it cannot be used, as the end of a sentence; undefined: it can */
export function directoryProblem(path: string): string | undefined {
  try {
    makeDirectory(path);
    const stats = lstatSync(path);
    return stats.isDirectory() ? ownershipProblem(stats) : kindProblem(stats);
  } catch (error) {
    return `it cannot be made (${(error as NodeJS.ErrnoException).code})`;
  }
}

/**
 * Makes a directory, by default for this user alone, and the parents that are missing. The option `recursive` of mkdir() does not end
 * in /proc, where mkdir(2) of an existing parent's child says ENOENT.
 *
 * @throws an error of node:fs
 */
export function makeDirectory(path: string, mode = 0o700): void {
  try {
    mkdirSync(path, mode);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST') return;
    if (code !== 'ENOENT' || dirname(path) === path) throw error;
    makeDirectory(dirname(path), mode);
    mkdirSync(path, mode);
  }
}
