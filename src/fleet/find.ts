import type { FleetIncident } from '../model/fleet.ts';
import { aboutOf, workloadOf } from '../publish/about.ts';
import type { FleetEvent } from './fleet-event.ts';
import { killOf } from './incidents.ts';
import { incidentMessage } from './message.ts';
import type { Fleet } from './open-fleet.ts';

export interface Found {
  /** The last event about the incident with this id. undefined: the id is that of an event. */
  incident: FleetIncident | undefined;
  /** The event, or the events that belong to the incident, in the order in which they happened: at most 1,000. */
  events: FleetEvent[];
  /** How many more events belong to the incident. */
  more: number;
}

/** More events of an incident are not returned. */
const MOST = 1000;

/** Reads what the fleet was opened for, and finds an event or an incident by its id. */
export async function findEvents(fleet: Fleet, id: string): Promise<Found> {
  const found: FleetEvent[] = [];
  const kills: FleetEvent[] = [];
  let incident: FleetIncident | undefined;
  fleet.events$.subscribe((event) => {
    if (event.event.id === id) found.push(event);
    if (killOf(event) && kills.push(event) > 100 * MOST) kills.shift();
  });
  fleet.incidents$.subscribe((each) => {
    if (each.incident_id === id) incident = each;
  });
  await fleet.caughtUp;
  const last = fleet.incidents.find(({ incident_id }) => incident_id === id);
  if (incident && last) {
    const now = { ...last, state: incident.state };
    incident = { ...incident, ...now, message: incidentMessage(now) };
  }
  if (!incident) return { incident, events: found, more: 0 };
  const { since, until } = incident;
  const [from, to] = [Date.parse(since), Date.parse(until)];
  const of = incident;
  const events = kills.filter((kill) => kill.happenedMs >= from && kill.happenedMs <= to + 1 && belongs(kill, of));
  events.sort((one, other) => one.happenedMs - other.happenedMs);
  return { incident, events: events.slice(0, MOST), more: Math.max(0, events.length - MOST) };
}

function belongs({ event, cluster, name: node }: FleetEvent, incident: FleetIncident): boolean {
  if (cluster !== incident.cluster) return false;
  const about = event.type === 'publish.folded' ? event.about : aboutOf(event);
  const names = { image: about.image, workload: workloadOf(about), unit: about.unit, program: about.comm, node };
  return names[incident.cause] === incident.name;
}
