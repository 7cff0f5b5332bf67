import type { Event, EventType } from '../model/events.ts';
import containerKill from './recordings/container-kill.json' with { type: 'json' };
import groupKill from './recordings/group-kill.json' with { type: 'json' };
import pressureEpisode from './recordings/pressure-episode.json' with { type: 'json' };

/**
 * Recordings of events in the order in which a tracer emitted them. They are from Linux 6.12 with cgroup v2, each from
 * a cgroup with a limit of 64 MiB and a name in Docker's form. The events are frozen; {@link withChanges} makes a
 * changed copy.
 */
export const recordings = {
  /**
   * A process grows until its container reaches its limit and the kernel kills the process: rising pressure, the
   * countdown, `oom.kill` with `lead_up` and `candidates`, `oom.reaped`, `oom.report`, and pressure that returns to
   * normal.
   */
  containerKill: recorded(containerKill),
  /**
   * Like `containerKill`, but with `memory.oom.group`: the kernel also kills the other process, in an event of kind
   * `group_member`.
   */
  groupKill: recorded(groupKill),
  /** Pressure without a kill, caused by `memory.high`: levels from normal to critical and back, and long stalls. */
  pressureEpisode: recorded(pressureEpisode),
};

/** The events of one type. */
export function eventsOfType<T extends EventType>(events: readonly Event[], type: T): Extract<Event, { type: T }>[] {
  return events.filter((event): event is Extract<Event, { type: T }> => event.type === type);
}

/** Freezes the events. The cast is safe: a test validates the files against the schema. */
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
