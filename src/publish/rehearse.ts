import type { Event } from '../model/events.ts';
import type { Nats } from '../nats/load.ts';
import { entryOf } from './entry.ts';
import { messageOf, type Sender } from './message.ts';
import { Storm } from './storm.ts';

/** Makes the message of an event that did not happen, and drops it: it is not queued, counted or sent. Never throws. */
export function rehearseMessage(event: Event, sender: Sender, mostBytes: number, nats: Nats): void {
  try {
    new Storm({ perSecond: 1, burst: 1 }, 0).take(event, 0);
    messageOf(entryOf(event, 'rehearsal', 0), 0, sender, mostBytes, nats);
  } catch {
    // A fault that matters comes again with a real event, and is reported then.
  }
}
