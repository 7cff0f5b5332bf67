/** The event that says how many repeats a storm had. */
import type { Envelope } from '../model/envelope.ts';
import type { PublishFolded } from '../model/fleet.ts';
import type { Folded } from './storm.ts';

/** The event without its envelope. */
export function foldedFields(folded: Folded): Omit<PublishFolded, keyof Envelope> {
  const { eventType, severity, about, count, firstId, since, until } = folded;
  return {
    ...{ type: 'publish.folded', event_type: eventType, count, about, folded_severity: severity },
    ...{ first_id: firstId, since, until },
  };
}

/** The message of the event. */
export function summaryOf({ eventType, about, count }: Folded): string {
  const where = about.pod ?? about.container ?? about.cgroup ?? about.comm;
  return `${count} more ${eventType} events${where === null ? '' : ` about ${where}`} were counted, not published.`;
}
