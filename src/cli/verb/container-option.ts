/** Finds the containers that the user names on the command line, for all actions of `oomscope docker`. */
import type { Subject } from '../../container-watch/reports.ts';
import type { Runtimes } from '../../containers/runtime-sockets.ts';
import type { Cgroupfs } from '../../linux/cgroupfs.ts';
import { shortId } from '../../model/container.ts';
import { OomscopeError } from '../../model/error.ts';
import { near } from '../../text/did-you-mean.ts';
import { globMatch } from '../../text/glob.ts';
import { printable } from '../../text/printable.ts';
import { flag, several, text } from './options.ts';
import { tell } from './tell.ts';

export const socketOption = several(text('PATH', 'ask only the container runtime behind this socket'));

export const otherUsersOption = flag(
  "also ask the container runtimes of other users (rootless Docker and Podman); the names that they give count only for these users' own cgroups",
);

/** Which runtimes are asked. */
export interface Asked {
  socket: readonly string[];
  'other-users': boolean | undefined;
}

export interface Found {
  subjects: Subject[];
  cgroups: Cgroupfs | undefined;
  runtimes: Runtimes;
}

/**
 * Finds all containers. Sockets that do not answer are reported on stderr, with the reason.
 *
 * @throws OomscopeError RUNTIME_MISSING or NOT_PERMITTED when no runtime answers and no cgroup looks like a container's
 */
export async function allContainers({ socket, 'other-users': otherUsers }: Asked): Promise<Found> {
  const [{ noRuntime, openRuntimes }, { findContainers }, { Cgroupfs }] = await Promise.all([
    import('../../containers/runtime-sockets.ts'),
    import('../../container-watch/reports.ts'),
    import('../../linux/cgroupfs.ts'),
  ]);
  const runtimes = await openRuntimes(socket.length > 0 ? { sockets: socket } : { otherUsers });
  const cgroups = Cgroupfs.find();
  const subjects = await findContainers(runtimes.open, cgroups);
  if (runtimes.open.length === 0 && subjects.length === 0) {
    throw noRuntime(runtimes, 'And no cgroup here looks like a container’s.');
  }
  for (const { sentence } of runtimes.closed) tell(sentence);
  if (runtimes.open.length === 0) {
    const none = runtimes.closed.length === 0 ? 'No container runtime was found. ' : '';
    tell(`${none}Ids and memory are from the cgroups; names, images and settings are not known.`);
  }
  return { subjects, cgroups, runtimes };
}

/**
 * Picks the containers that `names` name: each entry is a name, a pattern of names, an id, or the start of an id.
 *
 * @throws OomscopeError NO_CONTAINER, with the names that are spelled similarly
 */
export function pick({ subjects }: Pick<Found, 'subjects'>, names: readonly string[]): Subject[] {
  const picked = names.map((name) => {
    const named = subjects.filter(({ report: { container } }) => container?.name === name);
    if (named.length > 0) return named;
    const matching = subjects.filter(
      ({ report: { container } }) =>
        globMatch(name, container?.name ?? '') || (/^[0-9a-f]{2,64}$/.test(name) && container?.id.startsWith(name)),
    );
    if (matching.length === 0) throw noContainer(name, subjects);
    return matching;
  });
  return [...new Set(picked.flat())];
}

function noContainer(name: string, subjects: readonly Subject[]): OomscopeError {
  const names = subjects.flatMap(({ report: { container } }) =>
    container ? [container.name ?? shortId(container.id)] : [],
  );
  const alike = [...new Set([...near(name, names), ...names.filter((other) => other.includes(name))])].slice(0, 5);
  const list = (some: string[]) => some.map((one) => printable(one)).join(', ');
  const more = names.length > 10 ? `, and ${names.length - 10} more` : '';
  const hint =
    alike.length > 0
      ? `Did you mean ${list(alike)}?`
      : names.length > 0
        ? `There are: ${list(names.slice(0, 10))}${more}.`
        : 'There are no containers at all.';
  return new OomscopeError('NO_CONTAINER', `There is no container "${printable(name)}". ${hint}`);
}
