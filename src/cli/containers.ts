/** Which containers a person means: what the actions of `oomscope docker` have in common. */
import { OomscopeError } from '../model/error.ts';
import { Cgroupfs } from '../sources/cgroupfs.ts';
import { findContainers, type Subject } from '../sources/container-reports.ts';
import { noRuntime, openRuntimes, type Runtimes } from '../sources/runtime-sockets.ts';
import { globMatch } from '../stream/glob.ts';
import { shortId } from '../wire/message.ts';
import { printable } from '../wire/text.ts';
import { text } from './options.ts';

export const socketOption = {
  ...text('PATH', 'ask only this socket; may be repeated'),
  multiple: true as const,
};

export interface Found {
  subjects: Subject[];
  cgroups: Cgroupfs | undefined;
  runtimes: Runtimes;
}

/** All containers; said on stderr: which sockets do not answer, and what is missing for it. */
export async function allContainers(sockets: readonly string[]): Promise<Found> {
  const runtimes = await openRuntimes(sockets.length > 0 ? sockets : undefined);
  const cgroups = Cgroupfs.find();
  const subjects = await findContainers(runtimes.open, cgroups);
  if (runtimes.open.length === 0 && subjects.length === 0) {
    throw noRuntime(runtimes, 'And no cgroup here looks like a container’s.');
  }
  for (const { sentence } of runtimes.closed) process.stderr.write(`oomscope: ${sentence}\n`);
  if (runtimes.open.length === 0) {
    const nobody = runtimes.closed.length === 0 ? 'No container runtime was found. ' : '';
    process.stderr.write(
      `oomscope: ${nobody}Ids and memory are from the cgroups; names, images and settings are not known.\n`,
    );
  }
  return { subjects, cgroups, runtimes };
}

/**
 * Those that are named: by name, by a glob of names, by id or its start.
 *
 * @throws OomscopeError NO_CONTAINER, with the names that are near
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
  const near = names
    .map((other) => ({ other, distance: other.includes(name) || name.includes(other) ? 0 : editDistance(name, other) }))
    .filter(({ other, distance }) => distance <= Math.max(2, Math.floor(Math.max(name.length, other.length) / 3)))
    .sort((a, b) => a.distance - b.distance)
    .slice(0, 5);
  const list = (some: string[]) => some.map((one) => printable(one)).join(', ');
  const hint =
    near.length > 0
      ? `Near: ${list(near.map(({ other }) => other))}.`
      : names.length > 0
        ? `There are: ${list(names.slice(0, 10))}${names.length > 10 ? `, and ${names.length - 10} more` : ''}.`
        : 'There are no containers at all.';
  return new OomscopeError('NO_CONTAINER', `There is no container "${printable(name)}". ${hint}`);
}

/** Insertions, deletions and changes from one to the other. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const change = (row[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(change, (row[j] as number) + 1, (next[j - 1] as number) + 1));
    }
    row = next;
  }
  return row[b.length] as number;
}
