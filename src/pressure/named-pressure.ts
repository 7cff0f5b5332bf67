import type { CgroupOwner } from '../model/container.ts';
import type { Event } from '../model/events.ts';

/**
 * Adds the names of containers and pods to an event about pressure, whose owners are from the paths of cgroups alone.
 *
 * @param ownerOf the owner of a cgroup, with the names that are known
 */
export function namedPressure<E extends Event>(event: E, ownerOf: (path: string) => CgroupOwner): E {
  const named = { ...event };
  if ('subject' in named && named.subject.scope === 'cgroup') {
    named.subject = { ...named.subject, ...ownerOf(named.subject.path) };
  }
  if ('task' in named && named.task.cgroup !== null) named.task = { ...named.task, ...ownerOf(named.task.cgroup) };
  return named;
}
