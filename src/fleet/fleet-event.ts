/** An event as a reader of the fleet gets it: with its node, its number and the server's times. */
import type { JsMsg } from '@nats-io/jetstream';
import type { Event } from '../model/events.ts';
import { parseStored } from '../nats/names.ts';
import { Header } from '../publish/message.ts';

/** One event of the fleet. */
export interface FleetEvent {
  /** The event as the node has published it. */
  event: Event;
  /** The cluster of the node, as a token of subjects. */
  cluster: string;
  /** The name of the node, as a token of subjects. The true name is in the event. */
  node: string;
  /** A hash of the node's machine id, which tells two nodes of one name apart. null: unknown. */
  machine: string | null;
  /** The process that published the event. null: not published by oomscope. */
  run: string | null;
  /** Number of the event among those of this process, from 0 without a gap. null: not published by oomscope. */
  number: number | null;
  /** The event's number in the stream. */
  sequence: number;
  /** When the server stored the event, in ms since 1970, by the server's clock. */
  storedMs: number;
  /** When the event happened, in ms since 1970, by the server's clock: independent of the node's clock. */
  happenedMs: number;
  /** The server's clock minus the node's clock, in ms, with the time that the message took. null: unknown. */
  skewMs: number | null;
  /** Fields that were moved out because the message was too large. */
  movedOut: string[];
}

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
    ...{ run: number === null ? null : run, number: run === null ? null : number },
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

function whole(text: string | null): number | null {
  return text !== null && /^\d{1,15}$/.test(text) ? Number(text) : null;
}
