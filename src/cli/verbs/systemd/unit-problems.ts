/**
 * Why a unit could not start, or must not: systemd hides some directories from it, and code that other users can write
 * would run as root.
 */
import { lstatSync, realpathSync, type Stats, statSync } from 'node:fs';
import { dirname, isAbsolute } from 'node:path';
import type { UsedPath } from '../../../config/features.ts';

export interface UnitFiles {
  /** Code that the unit runs, and files that it reads: programs, modules, the configuration. */
  code: readonly UsedPath[];
  /** Directories that it writes. */
  written: readonly UsedPath[];
}

/** The directories that the unit does not see, with the setting that hides them: systemd.exec(5). */
const hidden: [directory: string, setting: string][] = [
  ['/home', 'ProtectHome=yes'],
  ['/root', 'ProtectHome=yes'],
  ['/run/user', 'ProtectHome=yes'],
  ['/tmp', 'PrivateTmp=yes'],
  ['/var/tmp', 'PrivateTmp=yes'],
];

/** @returns one sentence for each user of a path with a problem. @param owner the user that must own the code */
export function unitProblems({ code, written }: UnitFiles, owner = 0): string[] {
  const problems = new Map<string, string>();
  const add = (by: string, problem: string | undefined) => {
    if (problem !== undefined && !problems.has(by)) problems.set(by, problem);
  };
  for (const each of code) add(each.by, codeProblem(each, owner));
  for (const each of written) add(each.by, writtenProblem(each));
  return [...problems.values()];
}

function codeProblem({ path, by }: UsedPath, owner: number): string | undefined {
  if (!isAbsolute(path)) return undefined; // a name in PATH, whose directories belong to root
  const real = realOf(path);
  if (real === undefined) return `${path} (${by}) does not exist.`;
  const behind = hiddenBy(real);
  if (behind)
    return `${real} (${by}) lies below ${behind[0]}, which ${behind[1]} hides from the service: install it elsewhere.`;
  for (let place = real; ; place = dirname(place)) {
    const problem = writableBy(statSync(place), owner);
    if (problem !== undefined) {
      return `${place} (${by}) ${problem}: the service would run code of that user as root. Move it, or change its owner and mode.`;
    }
    if (place === dirname(place)) return undefined;
  }
}

function writtenProblem({ path, by }: UsedPath): string | undefined {
  if (!isAbsolute(path))
    return `${path} (${by}) is a relative path, and the service runs in "/": write the whole path.`;
  const behind = hiddenBy(path);
  if (behind)
    return `${path} (${by}) lies below ${behind[0]}, which ${behind[1]} hides from the service: choose /var/lib/oomscope.`;
  return lstatSync(path, { throwIfNoEntry: false })?.isDirectory()
    ? undefined
    : `${path} (${by}) is no directory, so systemd could not make it writable: make it first, or choose /var/lib/oomscope.`;
}

const hiddenBy = (path: string) => hidden.find(([directory]) => path === directory || path.startsWith(`${directory}/`));

/** Who besides the owner can change a file, or the entries of a directory; undefined: no other user. */
function writableBy({ uid, mode }: Stats, owner: number): string | undefined {
  const isDirectory = (mode & 0o170000) === 0o040000;
  if (uid !== 0 && uid !== owner) return `belongs to the user ${uid}`;
  // In a directory with the sticky bit, only the owner of an entry can replace it.
  if (isDirectory && (mode & 0o1000) !== 0) return undefined;
  return (mode & 0o022) === 0 ? undefined : `can be written by other users (mode ${(mode & 0o7777).toString(8)})`;
}

function realOf(path: string): string | undefined {
  try {
    return realpathSync(path);
  } catch {
    return undefined;
  }
}
