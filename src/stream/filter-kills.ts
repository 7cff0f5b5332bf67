/**
 * Keeps some kills, and what belongs to them. Everything that is not about a kill passes.
 */
import { filter, type MonoTypeOperatorFunction } from 'rxjs';
import type { Event, KillKind, OomKill } from '../model/events.ts';
import { globMatch } from '../text/glob.ts';

export interface KillFilter {
  kinds: readonly KillKind[];
  /** Globs over the victim's comm (of the thread or of the process). Empty: all. */
  comms: readonly string[];
  /** Globs over cgroup paths. A kill passes when its victim lives there or below, or when the limit hit is there. */
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

/** As the runtimes' own commands take it: the first twelve digits of an id, or fewer. */
const isIdStart = (text: string, id: string) => /^[0-9a-f]{4,64}$/.test(text) && id.startsWith(text);

/** Reports come within a second of their kills: more than so many are not waited for. */
const MOST_AWAITED = 1024;

/** An `oom.reaped` passes when its kill did, and so does an `oom.report`. */
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
