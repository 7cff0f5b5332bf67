/** Filters kills, and the events that belong to them. Events that are not about a kill pass. */
import { filter, type MonoTypeOperatorFunction } from 'rxjs';
import type { Event, KillKind, OomKill } from '../model/events.ts';
import { globMatch } from '../text/glob.ts';

/** Which kills pass: those that match in every respect. */
export interface KillFilter {
  /** Empty: all kinds. */
  kinds: readonly KillKind[];
  /** Globs over the victim's name, of its thread or of the process. Empty: all. */
  comms: readonly string[];
  /** Globs over paths of cgroups. A kill passes if its victim was there or below, or if the limit that was hit is there. */
  cgroups: readonly string[];
  /** Globs over a container's name, id or start of an id: of the victim's, or of the limit's. */
  containers?: readonly string[];
}

export function killPasses(kill: OomKill, { kinds, comms, cgroups, containers = [] }: KillFilter): boolean {
  const { comm, process_comm, cgroup } = kill.victim;
  const named = [comm, process_comm];
  const paths = [...kill.cgroups.map(({ path }) => path), kill.limit?.path, cgroup];
  return (
    (kinds.length === 0 || kinds.includes(kill.kind)) &&
    (comms.length === 0 || comms.some((glob) => named.some((name) => name != null && globMatch(glob, name)))) &&
    (cgroups.length === 0 || cgroups.some((glob) => paths.some((path) => path != null && globMatch(glob, path)))) &&
    (containers.length === 0 || containers.some((glob) => isContainer(glob, kill)))
  );
}

function isContainer(glob: string, { victim, limit }: OomKill): boolean {
  return [victim.container, limit?.container].some(
    (one) => one && (globMatch(glob, one.name ?? '') || globMatch(glob, one.id) || isIdStart(glob, one.id)),
  );
}

/** The runtimes' own commands accept the start of an id as well. */
const isIdStart = (text: string, id: string) => /^[0-9a-f]{4,64}$/.test(text) && id.startsWith(text);

/** Reports come within a second of their kills. The oldest kills beyond this number are not waited for. */
const MOST_AWAITED = 1024;

/** Passes kills that match. An `oom.reaped` or `oom.report` passes if its kill did. */
export function filterKills(wanted: KillFilter): MonoTypeOperatorFunction<Event> {
  const passed = new Set<string>();
  const awaited = new Set<string>();
  return filter((event) => {
    if (event.type === 'oom.kill') {
      const passes = killPasses(event, wanted);
      if (passes && event.kind !== 'shared_memory') passed.add(event.id);
      if (passes) awaited.add(event.id);
      if (awaited.size > MOST_AWAITED) awaited.delete(awaited.values().next().value as string);
      return passes;
    }
    if (event.type === 'oom.report' && event.kill_id !== null) return awaited.has(event.kill_id);
    return event.type !== 'oom.reaped' || passed.delete(event.kill_id);
  });
}
