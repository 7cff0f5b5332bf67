/** Reads an event of the fleet from a message of the stream. */
import type { JsMsg } from '@nats-io/jetstream';
import type { Event } from '../model/events.ts';
import { nameWithToken, parseStored } from '../nats/names.ts';
import { Header } from '../publish/message.ts';
import type { FleetEvent } from './fleet-event.ts';

type Message = Pick<JsMsg, 'subject' | 'data' | 'headers' | 'seq' | 'timestampNanos'>;

const decoder = new TextDecoder('utf-8', { fatal: true });

/** @returns undefined: the message is malformed, or another program has published it on our subjects */
export function fleetEventOf(message: Message): FleetEvent | undefined {
  const stored = parseStored(message.subject);
  const event = stored && eventIn(message.data);
  if (!stored || !event || event.type !== stored.type) return undefined;
  const header = (name: string) => message.headers?.get(name) || null;
  const number = whole(header(Header.number));
  const run = header(Header.run);
  const storedMs = Number(message.timestampNanos / 1000n) / 1000;
  const sentMs = whole(header(Header.sent));
  const eventMs = Date.parse(event.time);
  const ageMs = sentMs === null ? 0 : Math.max(0, sentMs - eventMs);
  return {
    ...{ event, cluster: stored.cluster, node: stored.node, machine: header(Header.machine) },
    name: nameWithToken(decoded(header('ce-source')?.replace(/^\/oomscope\//, '') ?? ''), stored.node),
    ...{ run: number === null ? null : run, number: run === null ? null : number },
    ...{ settled: whole(header(Header.settled)), late: false },
    ...{ sequence: message.seq, storedMs, happenedMs: storedMs - ageMs },
    skewMs: sentMs === null ? null : storedMs - sentMs,
    movedOut: header(Header.movedOut)?.split(' ') ?? [],
  };
}

function eventIn(data: Uint8Array): Event | undefined {
  try {
    const value: unknown = JSON.parse(decoder.decode(data));
    if (typeof value !== 'object' || value === null) return undefined;
    const { schema, type, id, time, node, message, severity } = value as Record<string, unknown>;
    const texts = [type, id, time, node, message, severity].every((field) => typeof field === 'string');
    const isOurs = schema === 'oomscope/v1' && texts && !Number.isNaN(Date.parse(time as string));
    return isOurs ? (value as Event) : undefined;
  } catch {
    return undefined;
  }
}

/** Undoes the encoding of CloudEvents in headers. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return '';
  }
}

function whole(text: string | null): number | null {
  return text !== null && /^\d{1,15}$/.test(text) ? Number(text) : null;
}
