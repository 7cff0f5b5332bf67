/**
 * Log records in JSON: `journalctl -o json`, Docker's json-file, and log shippers such as those with a "message" field.
 */
import { withoutColours } from './colours.ts';
import type { LogLine } from './log-line.ts';
import { KILLER_COMMS } from './other-killers.ts';
import { ISO, type Stamp } from './stamp.ts';

/** The fields in which log shippers and APIs store the text and the time of a message. */
export const TEXT_KEYS = [
  'MESSAGE',
  'log',
  'message',
  'msg',
  'textPayload',
  'line',
  '@message',
  'SyslogMessage',
  '_raw',
];
export const TIME_KEYS = [
  ...['time', 'timestamp', '@timestamp', 'ts', 'lastTimestamp', 'firstTimestamp', 'eventTime'],
  ...['finishedAt', 'receiveTimestamp', 'TimeGenerated', '_time', 'timeUnixNano'],
];
/** The fields with the name of the host. */
export const HOST_KEYS = ['_HOSTNAME', 'hostname', 'host', 'Computer'];

export type JsonRecord = Record<string, unknown>;

/**
 * @returns "again": the message may have a prefix; "done": it has none; "drop": the message is neither from the kernel nor
 * from a program that kills for memory
 */
export function fromJson(at: LogLine): 'again' | 'done' | 'drop' {
  try {
    return fromRecord(at, JSON.parse(at.text) as JsonRecord);
  } catch {
    return 'done';
  }
}

const PAIR = /([\w.@-]+)=("(?:[^"\\]|\\.)*"|[^\s"]*)(?:\s+|$)/y;

/** A record in logfmt: `ts=2026-01-07T03:04:05Z level=warn msg="…"`. @returns "done": the line is not logfmt */
export function fromLogfmt(at: LogLine): 'again' | 'done' | 'drop' {
  if (!/^[\w.@-]{1,40}=/.test(at.text) || !/\b(?:msg|message)=/.test(at.text)) return 'done';
  const record: JsonRecord = {};
  PAIR.lastIndex = 0;
  while (PAIR.lastIndex < at.text.length) {
    const [, key = '', value = ''] = PAIR.exec(at.text) ?? [];
    if (key === '') return 'done';
    try {
      record[key] = value.startsWith('"') ? (JSON.parse(value) as string) : value;
    } catch {
      return 'done';
    }
  }
  return fromRecord(at, record);
}

/** Takes message, time and host from the fields of a record. @returns like `fromJson` */
export function fromRecord(at: LogLine, record: JsonRecord): 'again' | 'done' | 'drop' {
  const text = textOf(TEXT_KEYS.map((key) => record[key]).find((one) => one !== undefined && one !== null));
  if (text === null) return 'done';
  const transport = record._TRANSPORT;
  const other = typeof transport === 'string' && transport !== 'kernel';
  const comm = String(record._COMM ?? '');
  if (other && !KILLER_COMMS.has(comm)) return 'drop';
  const string = (key: string) => (typeof record[key] === 'string' ? (record[key] as string) : null);
  at.host ??= HOST_KEYS.map(string).find((one) => one !== null) ?? null;
  at.bootId ??= string('_BOOT_ID');
  const monotonic = string('_SOURCE_MONOTONIC_TIMESTAMP') ?? string('__MONOTONIC_TIMESTAMP');
  if (monotonic !== null && /^\d+$/.test(monotonic)) at.sinceBootUs = safeInteger(monotonic);
  const realtime = string('_SOURCE_REALTIME_TIMESTAMP') ?? string('__REALTIME_TIMESTAMP');
  if (realtime !== null && /^\d{1,17}$/.test(realtime)) setStamp(at, 'us', realtime, true);
  for (const key of TIME_KEYS) setTime(at, record[key]);
  at.text = withoutColours(text.replace(/\r?\n$/, ''));
  // In the journal the name of the program is not part of the message.
  if (other) at.text = `${comm}: ${at.text}`;
  return monotonic === null ? 'again' : 'done';
}

const utf8 = new TextDecoder('utf-8', { ignoreBOM: true });

/** journalctl writes a message with unprintable characters as an array of bytes. */
function textOf(value: unknown): string | null {
  if (typeof value === 'string') return value;
  if (!Array.isArray(value) || value.length > 65536 || !value.every((byte) => typeof byte === 'number')) return null;
  return utf8.decode(Uint8Array.from(value as number[]));
}

/** Stores a time in one of the forms of log shippers; another form is ignored. */
function setTime(at: LogLine, value: unknown): void {
  if (typeof value === 'number' && value > 1e9 && value < 1e14) {
    setStamp(at, 'us', String(Math.round(value * (value > 1e11 ? 1e3 : 1e6))), true);
    return;
  }
  if (typeof value !== 'string') return;
  const zone = ISO.exec(value);
  if (zone) setStamp(at, 'date', value, zone[4] !== undefined);
  else if (/^\d{10}\.\d{1,9}$/.test(value))
    setStamp(at, 'us', value.replace('.', '').slice(0, 16).padEnd(16, '0'), true);
  // Seconds, milliseconds, microseconds or nanoseconds since 1970
  else if (/^(?:\d{10}|\d{13}|\d{16}|\d{19})$/.test(value))
    setStamp(at, 'us', value.slice(0, 16).padEnd(16, '0'), true);
}

/** Stores a time stamp. The first one is kept, but a complete one replaces an incomplete one. */
export function setStamp(at: LogLine, form: Stamp['form'], text: string, complete: boolean): void {
  if (at.stamp === null || (complete && !at.stamp.complete)) at.stamp = { form, text, complete };
}

/** null: the number is too large to be a safe integer. */
export const safeInteger = (digits: string) => (Number.isSafeInteger(Number(digits)) ? Number(digits) : null);
