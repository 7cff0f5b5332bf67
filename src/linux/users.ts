/** The users of this machine, by name. */
import { readIfPresent } from './read-if-present.ts';

/** The uids of the names in /etc/passwd. Users of a directory service are not in it; their uids can be given as numbers. */
export function userIds(passwd = readIfPresent('/etc/passwd') ?? ''): Map<string, number> {
  return new Map(
    passwd.split('\n').flatMap((line): [string, number][] => {
      const [name, , uid] = line.split(':');
      return name && uid !== undefined && /^\d+$/.test(uid) ? [[name, Number(uid)]] : [];
    }),
  );
}
