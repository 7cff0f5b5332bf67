/**
 * Keeps some kills, and what belongs to them. Everything that is not about a kill passes.
 */
import type { MonoTypeOperatorFunction } from 'rxjs';
import { filter } from 'rxjs/internal/operators/filter';
import type { Event, KillKind, OomKill } from '../model/events.ts';
import { globMatch } from './glob.ts';

export interface KillFilter {
  kinds: readonly KillKind[];
  /** Globs over the victim's comm (of the thread or of the process). Empty: all. */
  comms: readonly string[];
  /** Globs over cgroup paths. A kill passes when its victim lives there or below, or when the limit hit is there. */
  cgroups: readonly string[];
}

export function killPasses(kill: OomKill, { kinds, comms, cgroups }: KillFilter): boolean {
  const { comm, process_comm, cgroup } = kill.victim;
  const named = [comm, process_comm];
  const paths = [...kill.cgroups.map(({ path }) => path), kill.limit?.path, cgroup];
  return (
    (kinds.length === 0 || kinds.includes(kill.kind)) &&
    (comms.length === 0 || comms.some((glob) => named.some((name) => name != null && globMatch(glob, name)))) &&
    (cgroups.length === 0 || cgroups.some((glob) => paths.some((path) => path != null && globMatch(glob, path))))
  );
}

/** An `oom.reaped` passes when its kill did. */
export function filterKills(wanted: KillFilter): MonoTypeOperatorFunction<Event> {
  const passed = new Set<string>();
  return filter((event) => {
    if (event.type === 'oom.kill') {
      const passes = killPasses(event, wanted);
      if (passes && event.kind !== 'shared_memory') passed.add(event.id);
      return passes;
    }
    return event.type !== 'oom.reaped' || passed.delete(event.kill_id);
  });
}
