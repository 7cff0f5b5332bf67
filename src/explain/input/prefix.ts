/**
 * Removes the known prefixes before a kernel message: those of dmesg, syslog, journalctl, container runtimes and
 * /dev/kmsg. A line may have several of them, for example a syslog prefix before a dmesg prefix.
 */
import { withoutColours } from './colours.ts';
import type { LogLine } from './log-line.ts';
import { CTIME, ISO, MONTHS, readTime, SYSLOG } from './stamp.ts';
import { fromJson, fromLogfmt, fromRecord, type JsonRecord, safeInteger, setStamp } from './structured.ts';

const MOST_NESTED = 6;
/** Longer text is cut. The kernel cuts a message at 1 KiB (LOG_LINE_MAX), but escaping may make it longer. */
const LONGEST_TEXT = 4096;

/** @param raw a line without its line feed */
export function readLine(raw: string, offset: number): LogLine | null {
  const at: LogLine = {
    ...{ text: raw.endsWith('\r') ? raw.slice(0, -1) : raw, offset, host: null, caller: null },
    ...{ sinceBootUs: null, stamp: null, bootId: null },
  };
  at.text = withoutColours(at.text);
  return stripped(at);
}

/** Reads a record with named fields, such as an entry of the journal. null: the message is not from the kernel. */
export function fromFields(record: JsonRecord, offset: number): LogLine | null {
  const at: LogLine = { text: '', offset, host: null, caller: null, sinceBootUs: null, stamp: null, bootId: null };
  const outcome = fromRecord(at, record);
  if (outcome === 'again') return stripped(at);
  return outcome === 'done' ? at : null;
}

function stripped(at: LogLine): LogLine | null {
  for (let depth = 0; depth < MOST_NESTED; depth++) {
    const outcome = strip(at);
    if (outcome === 'drop') return null;
    if (outcome === 'done') break;
  }
  if (at.text.length > LONGEST_TEXT) at.text = at.text.slice(0, LONGEST_TEXT);
  return at;
}

/** Removes one prefix. The first character of the line tells which prefixes are possible. */
function strip(at: LogLine): 'again' | 'done' | 'drop' {
  const first = at.text.charCodeAt(0);
  if (first === 0x7b /* { */) return fromJson(at);
  if (first === 0x5b /* [ */) return fromBracket(at);
  if (first === 0x3c /* < */) return cut(at, /^<\d{1,3}>(?=.)/s);
  if (first >= 0x30 && first <= 0x39) return fromDigits(at);
  return fromWord(at);
}

function cut(at: LogLine, prefix: RegExp): 'again' | 'done' {
  const length = prefix.exec(at.text)?.[0].length ?? 0;
  if (length === 0) return 'done';
  at.text = at.text.slice(length);
  return 'again';
}

const UPTIME = /^\[ *(\d{1,12})\.(\d{3,9})(?: <[ \d.]*>)?\](?: ?\[ *([TC]\d{1,10})\])? ?/;
const CLOCK = /^\[((?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) [A-Z][a-z]{2} +\d{1,2} \d\d:\d\d:\d\d \d{4})\] ?/;
/** The time stamps of dmesg -e and dmesg -d. */
const RELATIVE = /^\[(?:[A-Z][a-z]{2}\d\d \d\d:\d\d| *[+<] *\d+\.\d+>?)\] ?/;

function fromBracket(at: LogLine): 'again' | 'done' {
  const uptime = UPTIME.exec(at.text);
  if (uptime) {
    const [prefix, seconds = '', fraction = '', caller] = uptime;
    at.sinceBootUs = Number(seconds) * 1e6 + Number(fraction.slice(0, 6).padEnd(6, '0'));
    at.caller ??= caller ?? null;
    at.text = at.text.slice(prefix.length);
    // journalctl -o short-monotonic writes the host name after the time stamp
    const host = HOST_AND_KERNEL.exec(at.text);
    if (host) takeHost(at, host);
    return 'done'; // the kernel's time stamp is always the last prefix
  }
  const clock = CLOCK.exec(at.text);
  if (!clock) return cut(at, RELATIVE);
  setStamp(at, 'date', clock[1] ?? '', false);
  at.text = at.text.slice(clock[0].length);
  return 'again';
}

const KMSG = /^(\d{1,5}),(\d{1,19}),(\d{1,16}),([^,;]{0,8})((?:,[^,;]*)*);/;
const CRI = /^std(?:out|err) [FP] /;

function fromDigits(at: LogLine): 'again' | 'done' | 'drop' {
  const kmsg = at.text.charCodeAt(4) === 0x2d /* - */ ? null : KMSG.exec(at.text);
  if (kmsg) {
    const [prefix, priority, , us = '', , more] = kmsg;
    // Facility 0 is the kernel. Processes can write to /dev/kmsg too, with another facility: their lines are ignored.
    if (Number(priority) >> 3 !== 0) return 'drop';
    at.sinceBootUs = safeInteger(us);
    at.caller = /,caller=([TC]\d+)/.exec(more ?? '')?.[1] ?? at.caller;
    at.text = unescapeKmsg(at.text.slice(prefix.length));
    return 'done';
  }
  const iso = ISO.exec(at.text);
  if (!iso) return 'done';
  const [prefix, , , , zone] = iso;
  setStamp(at, 'date', prefix.trimEnd(), zone !== undefined);
  at.text = at.text.slice(prefix.length);
  cut(at, CRI);
  takeLabels(at);
  const host = HOST_AND_KERNEL.exec(at.text);
  if (host) takeHost(at, host);
  return 'again';
}

/** The labels that logcli prints before a line of Loki: `{host="node-7", job="varlogs"}`. */
const LABELS = /^\{(?:[A-Za-z_][\w.]*="(?:[^"\\]|\\.)*"(?:, ?|(?=\})))*\}\s+/;

function takeLabels(at: LogLine): void {
  const labels = at.text.startsWith('{') ? LABELS.exec(at.text)?.[0] : undefined;
  if (labels === undefined) return;
  at.host ??= /\b(?:hostname|host|node_name|nodename|node)="([\w.:-]{1,255})"/.exec(labels)?.[1] ?? null;
  at.text = at.text.slice(labels.length);
}

const HOST_AND_KERNEL = /^(?:([\w.:-]{1,255}) )?kernel(?:\[\d+\])?: ?/;
/** The facility and level that dmesg -x prints. */
const LEVEL = /^(?:kern|user|daemon) *:(?:emerg|alert|crit|err|warn|notice|info|debug) *: /;

function fromWord(at: LogLine): 'again' | 'done' | 'drop' {
  const syslog = SYSLOG.exec(at.text);
  if (!syslog) {
    if (cut(at, LEVEL) === 'again') return 'again';
    const host = HOST_AND_KERNEL.exec(at.text);
    if (!host) return fromLogfmt(at);
    takeHost(at, host);
    return 'again';
  }
  const [prefix, month = ''] = syslog;
  if (!MONTHS.includes(month)) return 'done';
  setStamp(at, 'syslog', prefix, false);
  at.text = at.text.slice(prefix.length);
  const host = HOST_AND_KERNEL.exec(at.text);
  if (host) takeHost(at, host);
  return 'again';
}

function takeHost(at: LogLine, [prefix, host]: RegExpExecArray): void {
  at.host ??= host ?? null;
  at.text = at.text.slice(prefix.length);
}

const utf8 = new TextDecoder('utf-8', { ignoreBOM: true });

/** /dev/kmsg writes unprintable bytes and the backslash as \xNN (kernel/printk/printk.c: append_char). */
function unescapeKmsg(text: string): string {
  if (!text.includes('\\x')) return text;
  const raw = text.replace(/\\x([0-9a-f]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  return utf8.decode(Uint8Array.from(raw, (character) => character.charCodeAt(0)));
}

/** The host in a prefix of unknown form: "h1 kernel: ", "h1 kern.warn kernel: ", "h1 kernel - - - ", "192.0.2.7: kern: info: ". */
const HOST_WITHIN =
  /(?:^|\s)(?!UTC |kern\.|[\d:.,+-]+ )([\w.-]{1,255}) (?:kern\.\w+ )?kernel(?:\[\d+\])?(?::| - - -)|^([\w.-]{1,255}): kern: +\w+: /;

/** Adds the time stamps and the host in `prefix`, a prefix of unknown form, to the line. */
export function stampFrom(prefix: string, at: LogLine): LogLine {
  if (prefix === '') return at;
  const found: LogLine = { ...at };
  const [, before, first] = HOST_WITHIN.exec(prefix) ?? [];
  found.host ??= before ?? first ?? null;
  const uptime = /\[\s*(\d{1,9})\.(\d{3,9})\](?:\s?\[\s*([TC]\d{1,10})\])?/.exec(prefix);
  if (uptime && found.sinceBootUs === null) {
    const [, seconds, fraction = '', caller] = uptime;
    found.sinceBootUs = Number(seconds) * 1e6 + Number(fraction.slice(0, 6).padEnd(6, '0'));
    found.caller ??= caller ?? null;
  }
  const iso = /\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?: ?UTC\b|Z|[+-]\d\d:?\d\d)?/.exec(prefix)?.[0];
  const clock = CTIME.exec(prefix)?.[0];
  const syslog = /[A-Z][a-z]{2} +\d{1,2} \d\d:\d\d:\d\d(?:\.\d{1,6})? /.exec(prefix)?.[0];
  if (iso) setStamp(found, 'date', iso.replace(/ ?UTC$/, 'Z'), /(?:UTC|Z|[+-]\d\d:?\d\d)$/.test(iso));
  else if (clock && readTime({ stamp: { form: 'date', text: clock, complete: false } }) !== null)
    setStamp(found, 'date', clock, false);
  else if (syslog && MONTHS.includes(syslog.slice(0, 3))) setStamp(found, 'syslog', syslog, false);
  return found;
}
