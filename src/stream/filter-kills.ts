/** Filters `oom.kill` events, and the events that belong to the same kill. All other events pass. */
import { filter, type MonoTypeOperatorFunction } from 'rxjs';
import type { Container } from '../model/container.ts';
import type { Event, KillKind, OomKill, OomStuck } from '../model/events.ts';
import type { ProcessKilled } from '../model/process-killed.ts';
import { cgroupAncestors } from '../text/cgroup-path.ts';
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

/** A kill whose victim, cgroup or container is unknown passes the conditions that depend on it: it may be the one wanted. */
export function killPasses(kill: OomKill, { kinds, comms, cgroups, containers = [] }: KillFilter): boolean {
  return (
    (kinds.length === 0 || kinds.includes(kill.kind)) &&
    (comms.length === 0 || isNamed(comms, kill)) &&
    (cgroups.length === 0 || isWithin(cgroups, kill)) &&
    (containers.length === 0 || containers.some((glob) => isContainer(glob, kill)))
  );
}

function isNamed(globs: readonly string[], { victim: { comm, process_comm } }: OomKill): boolean {
  const names = [comm, process_comm].filter((name) => name !== null);
  return names.length === 0 || globs.some((glob) => names.some((name) => globMatch(glob, name)));
}

/**
 * The same for the death of a process by any signal. The OOM killer's kinds do not apply to it. A process whose cgroup is
 * unknown passes.
 */
export function processKillPasses({ victim }: ProcessKilled, { comms, cgroups, containers = [] }: KillFilter): boolean {
  const { comm, cgroup, container } = victim;
  const isUnknown = cgroup === null;
  return (
    (comms.length === 0 || comms.some((glob) => globMatch(glob, comm))) &&
    (cgroups.length === 0 || isUnknown || isBelow(cgroups, cgroup)) &&
    (containers.length === 0 || isUnknown || isOneOf(containers, container))
  );
}

const isBelow = (globs: readonly string[], path: string) =>
  globs.some((glob) => cgroupAncestors(path).some((each) => globMatch(glob, each)));

const isOneOf = (globs: readonly string[], container: Container | null) =>
  container !== null && globs.some((glob) => fits(glob, container));

function isWithin(globs: readonly string[], { victim, limit, missing }: OomKill): boolean {
  if (victim.cgroup === null || missing.includes('limit.path')) return true;
  return isBelow(globs, victim.cgroup) || (limit !== null && globs.some((glob) => globMatch(glob, limit.path)));
}

function isContainer(glob: string, kill: OomKill): boolean {
  const { victim, limit, missing } = kill;
  if (victim.cgroup === null || missing.includes('limit.path')) return true;
  return [victim.container, limit?.container, ...victim.inner_containers].some((one) => one && fits(glob, one));
}

/** Whether the glob fits a container. If its name is unknown, it may be the one that is wanted by name. */
function fits(glob: string, { id, name }: Container): boolean {
  if (globMatch(glob, id) || isIdStart(glob, id)) return true;
  return name === null ? !isId.test(glob) : globMatch(glob, name);
}

/** Whether a cgroup that is out of memory without a kill is one of those whose kills are wanted. */
function stuckPasses({ cgroup }: OomStuck, { cgroups, containers = [] }: KillFilter): boolean {
  return (
    (cgroups.length === 0 || isBelow(cgroups, cgroup.path)) &&
    (containers.length === 0 || isOneOf(containers, cgroup.container))
  );
}

/** An id of a container, in the length that the runtimes' commands print or in full. */
const isId = /^(?:[0-9a-f]{12}|[0-9a-f]{64})$/;

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
    if (event.type === 'oom.stuck') return stuckPasses(event, wanted);
    if (event.type === 'oom.report' && event.kill_id !== null) return awaited.has(event.kill_id);
    return event.type !== 'oom.reaped' || passed.delete(event.kill_id);
  });
}
