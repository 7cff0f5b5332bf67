/**
 * What other users of the machine can claim about containers. A user can write any name into files and sockets of that
 * user, and can create cgroups with any name in the part of the cgroup tree that systemd delegated to that user. So a
 * name from a user counts only for cgroups that this user can create, and a name from root's runtimes only for others.
 */
import { statSync } from 'node:fs';
import { dirname } from 'node:path';

/** The uid of another user. null: root or the user of this process, whose names count everywhere. */
export type OtherUser = number | null;

/** Names, images and ids of containers that are longer are left out. */
export const LONGEST_NAME = 1024;

/** The owner of a file. undefined: there is no such file, or this process may not see it. */
export function ownerOfFile(path: string): number | undefined {
  try {
    return statSync(path).uid;
  } catch {
    return undefined;
  }
}

/** The uid if it is another user's; null for root and the user of this process. */
export const otherUser = (uid: number): OtherUser => (uid === 0 || uid === process.geteuid?.() ? null : uid);

/** systemd delegates this cgroup to the user: the user's processes can create cgroups in it. */
const DELEGATED = /^\/user\.slice\/user-(\d+)\.slice\/user@\1\.service\//;

/**
 * The user who can have created a cgroup.
 *
 * @param cgroup path of the cgroup, from the root of the memory hierarchy
 * @param mount where this hierarchy is mounted. undefined: only the path decides
 */
export function creatorOf(cgroup: string, mount?: string): OtherUser {
  const delegated = DELEGATED.exec(cgroup)?.[1];
  if (delegated !== undefined) return otherUser(Number(delegated));
  if (mount === undefined) return null;
  // The owner of a directory can create directories in it. The nearest ancestor that still exists has the same owner,
  // because a user can remove only directories from a directory of that user.
  for (let path = dirname(cgroup); path !== '/'; path = dirname(path)) {
    const uid = ownerOfFile(`${mount}${path}`);
    if (uid !== undefined) return otherUser(uid);
  }
  return null;
}
