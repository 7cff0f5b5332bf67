/** Makes the message of an event: subject, headers, and a payload that the server's limit allows. */
import type { MsgHdrs } from '@nats-io/transport-node';
import type { Nats } from '../nats/load.ts';
import { subjectOf } from '../nats/names.ts';
import type { Entry } from './entry.ts';

/** Headers that oomscope adds to those of CloudEvents. */
export const Header = {
  run: 'Oomscope-Run',
  number: 'Oomscope-Number',
  /** Every event of the same process with a smaller number is in the stream, or never comes. */
  settled: 'Oomscope-Settled',
  machine: 'Oomscope-Machine',
  /** The node's clock when the message was sent, in ms since 1970: the reader compares it with the server's. */
  sent: 'Oomscope-Sent',
  /** Names of fields that were moved out of a message that was too large. */
  movedOut: 'Oomscope-Moved-Out',
} as const;

export interface Sender {
  /** Tokens of subjects. */
  cluster: string;
  node: string;
  /** The name of the host as it is. */
  name: string;
  machine: string;
}

export interface Message {
  subject: string;
  payload: string;
  headers: MsgHdrs;
  movedOut: string[];
}

/** Room for the headers within the server's limit, in bytes. */
const HEADERS_BYTES = 4096;
/** Fields that are never moved out: without them the event says nothing. */
const KEPT = new Set([
  'schema',
  'id',
  'seq',
  'time',
  'mono_ns',
  'boot_id',
  'node',
  'severity',
  'source',
  'type',
  'message',
]);

/**
 * @param settled see {@link Header}
 * @param mostBytes the server's limit of one message
 * @returns undefined: even the envelope is too large
 */
export function messageOf(
  entry: Entry,
  settled: number,
  sender: Sender,
  mostBytes: number,
  nats: Nats,
): Message | undefined {
  const { payload, movedOut } = within(entry.json, mostBytes - HEADERS_BYTES);
  if (payload === undefined) return undefined;
  const headers = nats.headers();
  const all = {
    'ce-specversion': '1.0',
    'ce-id': entry.id,
    'ce-source': `/oomscope/${sender.name}`,
    'ce-type': `oomscope.${entry.type}`,
    'ce-time': entry.time,
    'content-type': 'application/json',
    [Header.run]: entry.run,
    [Header.number]: String(entry.number),
    [Header.settled]: String(settled),
    [Header.machine]: sender.machine,
    [Header.sent]: String(Date.now()),
    ...(movedOut.length > 0 && { [Header.movedOut]: movedOut.join(' ') }),
  };
  for (const [name, value] of Object.entries(all)) headers.append(name, encoded(value));
  return { subject: subjectOf(sender.cluster, sender.node, entry.type), payload, headers, movedOut };
}

/** The encoding of CloudEvents in headers: bytes outside of printable ASCII, space, `"` and `%` as %XX. */
const encoded = (text: string) =>
  text.replace(/[^\x21\x23\x24\x26-\x7e]+/g, (part) =>
    Array.from(Buffer.from(part), (byte) => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`).join(''),
  );

/** Removes the largest fields until the event fits. */
function within(json: string, mostBytes: number): { payload: string | undefined; movedOut: string[] } {
  if (Buffer.byteLength(json) <= mostBytes) return { payload: json, movedOut: [] };
  const event = JSON.parse(json) as Record<string, unknown>;
  const sizes = Object.entries(event)
    .filter(([name]) => !KEPT.has(name))
    .map(([name, value]) => ({ name, bytes: Buffer.byteLength(JSON.stringify(value) ?? '') }))
    .sort((a, b) => b.bytes - a.bytes);
  const movedOut: string[] = [];
  for (const { name } of sizes) {
    event[name] = null;
    movedOut.push(name);
    const payload = JSON.stringify(event);
    if (Buffer.byteLength(payload) <= mostBytes) return { payload, movedOut };
  }
  return { payload: undefined, movedOut };
}
