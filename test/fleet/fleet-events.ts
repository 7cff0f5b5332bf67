/** Makes fleet events, as a reader gets them, from a recorded kill. */
import type { FleetEvent } from '../../src/fleet/fleet-event.ts';
import type { Event, OomKill } from '../../src/model/events.ts';
import type { EventPlace } from '../../src/model/fleet.ts';
import { eventsOfType, recordings } from '../../src/testing/recordings.ts';
import { type Changes, withChanges } from '../../src/testing/with-changes.ts';

export const [sampleKill] = eventsOfType(recordings.containerKill, 'oom.kill') as [OomKill];

let sequence = 0;

export interface Where extends Partial<Pick<EventPlace, 'comm' | 'image' | 'pod' | 'namespace' | 'unit'>> {
  scope?: OomKill['scope'];
}

/** A kill of a process in a container, a pod or a unit. */
export function killAt(
  id: string,
  { scope = 'cgroup', comm = 'hog', image, pod, namespace, unit }: Where = {},
): OomKill {
  const container =
    image === undefined || image === null ? null : { ...sampleKill.victim.container, name: 'main', image };
  const kube =
    pod === undefined || pod === null ? null : { uid: 'u', name: pod, namespace: namespace ?? 'shop', qos: null };
  const victim = { comm, container, pod: kube, unit: unit ?? null };
  const time = new Date().toISOString().replace('Z', '000000Z');
  return withChanges<OomKill>(sampleKill, { id, time, scope, victim } as Changes<OomKill>);
}

export function fleetEvent(
  event: Event,
  {
    node = 'n1',
    atMs = 0,
    run = `run-${node}`,
    number = 0,
    settled = null,
    cluster = 'prod',
  }: {
    node?: string;
    atMs?: number;
    run?: string | null;
    number?: number | null;
    settled?: number | null;
    cluster?: string;
  } = {},
): FleetEvent {
  return {
    ...{
      event: { ...event, node },
      cluster,
      node,
      name: node,
      machine: `m-${node}`,
      run,
      number,
      sequence: ++sequence,
    },
    ...{ settled, late: false },
    ...{ storedMs: atMs, happenedMs: atMs, skewMs: 0, movedOut: [] },
  };
}
