import { formatZone } from '../../text/format.ts';

/** A sentence that names the zone of the times that a command prints as text. Empty: local time is UTC. */
export function zoneNote(minutes = new Date().getTimezoneOffset()): string {
  return minutes === 0 ? '' : ` Times are local (${formatZone(minutes)}).`;
}
