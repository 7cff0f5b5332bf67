/** An event that waits for its acknowledgement, in memory or in the spool. */
import type { Codec } from '../alerts/disk-queue-options.ts';
import type { Event } from '../model/events.ts';

/** What the spool's files begin with. A file of another version is put aside, and the publisher says so. */
const VERSION = 'oomscope/publish/v1';

export interface Entry {
  /** Id of the process that has published the event first; `number` counts its events from 0, without a gap. */
  run: string;
  number: number;
  id: string;
  type: string;
  time: string;
  /** The event as JSON. */
  json: string;
}

export const entryOf = (event: Event, run: string, number: number): Entry => ({
  ...{ run, number, id: event.id, type: event.type, time: event.time },
  json: JSON.stringify(event),
});

export const entryCodec: Codec<Entry> = {
  noun: { one: 'event', article: 'an event of this version' },
  write: ({ json, ...head }) => `${JSON.stringify({ spool: VERSION, ...head })}\n${json}`,
  size: ({ json }) => Buffer.byteLength(json) + 256,
  read(text) {
    const end = text.indexOf('\n');
    const { spool, run, number, id, type, time } = JSON.parse(text.slice(0, Math.max(end, 0))) as Record<
      string,
      unknown
    >;
    if (spool !== VERSION) throw new Error(`expected the version ${VERSION}`);
    const json = text.slice(end + 1);
    JSON.parse(json);
    const isWhole = [run, id, type, time].every((value) => typeof value === 'string') && Number.isInteger(number);
    if (!isWhole) throw new Error('a field is missing or has another type');
    return { run, number, id, type, time, json } as Entry;
  },
};
