import type { Event, EventType } from '../model/events.ts';
import containerKill from './recordings/container-kill.json' with { type: 'json' };
import groupKill from './recordings/group-kill.json' with { type: 'json' };
import pressureEpisode from './recordings/pressure-episode.json' with { type: 'json' };

/**
 * Events as a tracer emitted them, in order: recorded on Linux 6.12 with cgroup v2, each in a cgroup with a limit of 64 MiB
 * and a name as Docker gives it. They are frozen; {@link withChanges} makes a changed copy.
 */
export const recordings = {
  /**
   * A process grows until the kernel kills it for its container's limit: rising pressure, the countdown, `oom.kill` with
   * `lead_up` and `candidates`, `oom.reaped`, `oom.report`, and pressure back to normal.
   */
  containerKill: recorded(containerKill),
  /** The same with `memory.oom.group`, which takes the other process of the cgroup too: a kill of kind `group_member`. */
  groupKill: recorded(groupKill),
  /** An episode of pressure without a kill, by `memory.high`: levels from normal to critical and back, and long stalls. */
  pressureEpisode: recorded(pressureEpisode),
};

/** The events of one type. */
export function eventsOfType<T extends EventType>(events: readonly Event[], type: T): Extract<Event, { type: T }>[] {
  return events.filter((event): event is Extract<Event, { type: T }> => event.type === type);
}

/** A test holds the files against the schema. */
function recorded(events: unknown): readonly Event[] {
  return deepFreeze(events as Event[]);
}

function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null) {
    for (const part of Object.values(value)) deepFreeze(part);
    Object.freeze(value);
  }
  return value;
}
