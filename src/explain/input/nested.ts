/**
 * Log records inside larger JSON values: answers of Loki and Elasticsearch, entries of Cloud Logging, events and pods of
 * Kubernetes. A time and a host that stand beside or above a message belong to the message.
 */
import { HOST_KEYS, type JsonRecord, TEXT_KEYS, TIME_KEYS } from './structured.ts';

const MOST_DEPTH = 12;
const MOST_RECORDS = 20_000;

/** Paths to the name of the host, beside HOST_KEYS. */
const HOST_PATHS = [
  ['host', 'name'],
  ['host', 'hostname'],
  ['source', 'host'],
  ['kubernetes', 'host'],
  ['resource', 'labels', 'node_name'],
  ['stream', 'hostname'],
  ['stream', 'host'],
  ['stream', 'node_name'],
  ['spec', 'nodeName'],
];

/** Matches a string that is a kernel message although its key does not say so, such as the message of a pod's state. */
const PHRASE =
  /invoked oom-killer|ill(?:ed)? process \d|oom-kill:|oom_reaper: |Mem-Info|killed as a result of limit|Manual OOM execution/;

interface Around {
  time: unknown;
  host: string | null;
}

/**
 * @returns the records in `value`, in the order of their times when the list is in the reverse order, as the answers of
 * Loki, Cloud Logging and Elasticsearch are by default
 */
export function recordsIn(value: unknown): JsonRecord[] {
  const found: JsonRecord[] = [];
  walk(value, { time: undefined, host: null }, 0, found);
  const [first, last] = [timeOf(found[0]), timeOf(found.at(-1))];
  return typeof first === 'string' && typeof last === 'string' && first.length === last.length && first > last
    ? found.reverse()
    : found;
}

function walk(value: unknown, around: Around, depth: number, found: JsonRecord[]): void {
  if (depth > MOST_DEPTH || found.length >= MOST_RECORDS || typeof value !== 'object' || value === null) return;
  if (Array.isArray(value)) {
    const [ns, line] = value as unknown[];
    // A value of Loki: the time in nanoseconds since 1970, and the line.
    if (typeof ns === 'string' && /^\d{19}$/.test(ns) && typeof line === 'string')
      found.push(record({ line, timestamp: ns }, around));
    else for (const one of value) walk(one, around, depth + 1, found);
    return;
  }
  const own = value as JsonRecord;
  const inner = { time: timeOf(own) ?? around.time, host: hostOf(own) ?? around.host };
  const key = TEXT_KEYS.find((one) => typeof own[one] === 'string' || isBytes(own[one]));
  const text = key === undefined || key === 'MESSAGE' ? undefined : own[key];
  if (key !== undefined)
    for (const one of linesIn(text)) found.push(record(one === text ? own : { ...own, [key]: one }, inner));
  const said = key === undefined ? undefined : own[key];
  for (const [name, one] of Object.entries(own)) {
    if (typeof one === 'object') walk(one, inner, depth + 1, found);
    else if (name !== key && one !== said && typeof one === 'string' && PHRASE.test(one))
      for (const message of linesIn(one)) found.push(record({ message }, inner));
  }
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
