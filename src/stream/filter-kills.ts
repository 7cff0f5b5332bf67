/** Filters `oom.kill` events, and the events that belong to the same kill. All other events pass. */
import { filter, type MonoTypeOperatorFunction } from 'rxjs';
import type { Event, KillKind, OomKill } from '../model/events.ts';
import type { ProcessKilled } from '../model/process-killed.ts';
import { globMatch } from '../text/glob.ts';

/** Conditions for kills. A kill passes if it matches all of them. */
export interface KillFilter {
  /** The kinds of kills that pass. Empty: all kinds. */
  kinds: readonly KillKind[];
  /**
   * Globs for the name of the victim. The name of the marked thread or that of the process may match. Empty: all
   * names.
   */
  comms: readonly string[];
  /** Globs for the victim's cgroup, a cgroup above it, or the cgroup whose limit was hit. Empty: all cgroups. */
  cgroups: readonly string[];
  /** Names (globs), ids or starts of ids of the container of the victim or of the limit that was hit. Default: all. */
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

/**
 * The same for the death of a process by any signal. The OOM killer's kinds do not apply to it. A process whose cgroup is
 * unknown passes.
 */
export function processKillPasses({ victim }: ProcessKilled, { comms, cgroups, containers = [] }: KillFilter): boolean {
  const { comm, cgroup, container } = victim;
  const isUnknown = cgroup === null;
  const isNamed = (glob: string) =>
    container !== null &&
    (globMatch(glob, container.name ?? '') || globMatch(glob, container.id) || isIdStart(glob, container.id));
  return (
    (comms.length === 0 || comms.some((glob) => globMatch(glob, comm))) &&
    (cgroups.length === 0 ||
      isUnknown ||
      cgroups.some((glob) => withParents(cgroup).some((path) => globMatch(glob, path)))) &&
    (containers.length === 0 || isUnknown || containers.some(isNamed))
  );
}

/** A path and the paths above it. */
function withParents(path: string): string[] {
  const parts = path.split('/').filter((part) => part !== '');
  return ['/', ...parts.map((_, i) => `/${parts.slice(0, i + 1).join('/')}`)];
}

/** Whether the text is the start of an id, which the commands of container runtimes accept as well. */
const isIdStart = (text: string, id: string) => /^[0-9a-f]{4,64}$/.test(text) && id.startsWith(text);

/**
 * How many kills are remembered to pass their report. A report comes within a second, so older kills can be dropped.
 */
const MOST_AWAITED = 1024;

/** Passes kills that match. An `oom.reaped` or `oom.report` passes if its kill has passed. */
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
    // The death of a victim of the OOM killer belongs to its `oom.kill`.
    if (event.type === 'process.killed')
      return event.kill_id === null ? processKillPasses(event, wanted) : awaited.has(event.kill_id);
    if (event.type === 'oom.report' && event.kill_id !== null) return awaited.has(event.kill_id);
    return event.type !== 'oom.reaped' || passed.delete(event.kill_id);
  });
}
