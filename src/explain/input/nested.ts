/**
 * Log records inside larger JSON values: answers of Loki and Elasticsearch, entries of Cloud Logging, events and pods of
 * Kubernetes. A time and a host that stand beside or above a message belong to the message.
 */
import { HOST_KEYS, type JsonRecord, TEXT_KEYS, TIME_KEYS } from './structured.ts';

const MOST_DEPTH = 12;

/** Paths to the name of the host, beside HOST_KEYS. */
const HOST_PATHS = [
  ['host', 'name'],
  ['host', 'hostname'],
  ['source', 'host'],
  ['kubernetes', 'host'],
  ['resource', 'labels', 'node_name'],
  ['spec', 'nodeName'],
  // Loki, and `logcli -o jsonl`: the labels of a stream
  ...['stream', 'labels'].flatMap((of) =>
    ['hostname', 'host', 'node_name', 'nodename', 'node'].map((name) => [of, name]),
  ),
];

/** Matches a string that is a kernel message although its key does not say so, such as the message of a pod's state. */
const PHRASE =
  /invoked oom-killer|ill(?:ed)? process \d|oom-kill:|oom_reaper: |Mem-Info|killed as a result of limit|Manual OOM execution/;

/** The time and the host of the nearest object around a value that has them. */
export interface Around {
  time: unknown;
  host: string | null;
}

export const NOTHING_AROUND: Around = { time: undefined, host: null };

/**
 * @returns the records in `value`, in the order of their times when the list is in the reverse order, as the answers of
 * Loki, Cloud Logging and Elasticsearch are by default
 */
export function recordsIn(value: unknown): JsonRecord[] {
  const found: JsonRecord[] = [];
  recordsInto(value, NOTHING_AROUND, (one) => found.push(one));
  const [first, last] = [timeOf(found[0]), timeOf(found.at(-1))];
  return typeof first === 'string' && typeof last === 'string' && first.length === last.length && first > last
    ? found.reverse()
    : found;
}

/** Calls `emit` for each record in `value`, in the order in which they stand there. */
export function recordsInto(value: unknown, around: Around, emit: (one: JsonRecord) => void, depth = 0): void {
  if (depth > MOST_DEPTH || typeof value !== 'object' || value === null) return;
  if (Array.isArray(value)) {
    const [ns, line] = value as unknown[];
    // A value of Loki: the time in nanoseconds since 1970, and the line.
    if (typeof ns === 'string' && /^\d{19}$/.test(ns) && typeof line === 'string')
      emit(record({ line, timestamp: ns }, around));
    else for (const one of value) recordsInto(one, around, emit, depth + 1);
    return;
  }
  const own = value as JsonRecord;
  const inner = inside(own, around);
  for (const one of ownRecords(own, inner)) emit(one);
  for (const one of Object.values(own)) if (typeof one === 'object') recordsInto(one, inner, emit, depth + 1);
}

/** The time and the host for the values in an object. */
export const inside = (own: JsonRecord, around: Around): Around => ({
  time: timeOf(own) ?? around.time,
  host: hostOf(own) ?? around.host,
});

/** The records that are strings of this object, not of an object in it. */
export function ownRecords(own: JsonRecord, inner: Around): JsonRecord[] {
  const key = TEXT_KEYS.find((one) => typeof own[one] === 'string' || isBytes(own[one]));
  const said = key === undefined ? undefined : own[key];
  const text = key === 'MESSAGE' ? undefined : said;
  const found = key === undefined ? [] : linesIn(text).map((one) => (one === text ? own : { ...own, [key]: one }));
  for (const [name, one] of Object.entries(own)) {
    if (name !== key && one !== said && typeof one === 'string' && PHRASE.test(one))
      found.push(...linesIn(one).map((message) => ({ message })));
  }
  return found.map((one) => record(one, inner));
}

/** Splits a string with several kernel messages. */
const linesIn = (text: unknown): unknown[] =>
  typeof text === 'string' && text.trimEnd().includes('\n') && PHRASE.test(text) ? text.trimEnd().split('\n') : [text];

/** Adds the time and the host around a record to the record, where it has none of its own. */
function record(own: JsonRecord, { time, host }: Around): JsonRecord {
  const timed = timeOf(own) === undefined && time !== undefined ? { ...own, timestamp: time } : own;
  return host === null || HOST_KEYS.some((key) => typeof own[key] === 'string') ? timed : { ...timed, _HOSTNAME: host };
}

const isBytes = (value: unknown) => Array.isArray(value) && value.length > 0 && value.every(Number.isInteger);

const timeOf = (one: JsonRecord | undefined): unknown =>
  one === undefined
    ? undefined
    : ['__REALTIME_TIMESTAMP', ...TIME_KEYS].map((key) => one[key]).find((time) => /string|number/.test(typeof time));

function hostOf(own: JsonRecord): string | null {
  for (const path of [...HOST_KEYS.map((key) => [key]), ...HOST_PATHS]) {
    let at: unknown = own;
    for (const key of path) at = typeof at === 'object' && at !== null ? (at as JsonRecord)[key] : undefined;
    if (typeof at === 'string' && at !== '') return at;
  }
  return null;
}
