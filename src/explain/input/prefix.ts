/**
 * What stands before a kernel message, depending on who wrote it down: dmesg in its several forms, syslog, journalctl, the
 * container runtimes' logs, /dev/kmsg, or nobody. Prefixes nest: a node log of a syslog line of a dmesg line.
 */

/** `complete`: with year and zone. */
export type Stamp = { text: string; complete: boolean; form: 'date' | 'syslog' | 'us' };

export interface LogLine {
  /** The kernel's own words. May hold line feeds, where the format tells records apart. */
  text: string;
  /** Where the line begins in its file, in bytes. */
  offset: number;
  host: string | null;
  /** Of CONFIG_PRINTK_CALLER: "T1234" a task, "C0" a CPU in interrupt. */
  caller: string | null;
  /** The kernel's stamp. */
  sinceBootUs: number | null;
  /** As it is written; `readTime` reads it, which takes longer than all the rest. */
  stamp: Stamp | null;
  bootId: string | null;
}

const MOST_NESTED = 6;
/** A printk is cut at 1 KiB (LOG_LINE_MAX). */
const LONGEST_TEXT = 4096;
/** Written with a name for the escape, which a pattern may not hold as it is. */
const COLOURS = new RegExp(`${String.fromCharCode(27)}\\[[0-9;]*m`, 'g');

/** @param raw a line without its line feed */
export function readLine(raw: string, offset: number): LogLine | null {
  const at: LogLine = {
    ...{ text: raw.endsWith('\r') ? raw.slice(0, -1) : raw, offset, host: null, caller: null },
    ...{ sinceBootUs: null, stamp: null, bootId: null },
  };
  // What colours the output of dmesg; a name with an escape in it comes to us with the escape escaped.
  if (at.text.includes('\x1b[')) at.text = at.text.replaceAll(COLOURS, '');
  for (let depth = 0; depth < MOST_NESTED; depth++) {
    const outcome = strip(at);
    if (outcome === 'drop') return null;
    if (outcome === 'done') break;
  }
  if (at.text.length > LONGEST_TEXT) at.text = at.text.slice(0, LONGEST_TEXT);
  return at;
}

/** The first character says which forms a line can have. */
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
/** dmesg -e, -d, and -e again within the same minute. */
const RELATIVE = /^\[(?:[A-Z][a-z]{2}\d\d \d\d:\d\d| *[+<] *\d+\.\d+>?)\] ?/;

function fromBracket(at: LogLine): 'again' | 'done' {
  const uptime = UPTIME.exec(at.text);
  if (uptime) {
    const [prefix, seconds = '', fraction = '', caller] = uptime;
    at.sinceBootUs = Number(seconds) * 1e6 + Number(fraction.slice(0, 6).padEnd(6, '0'));
    at.caller ??= caller ?? null;
    at.text = at.text.slice(prefix.length);
    // journalctl -o short-monotonic has the host next
    const host = HOST_AND_KERNEL.exec(at.text);
    if (host) takeHost(at, host);
    return 'done'; // the kernel's own stamp is the innermost
  }
  const clock = CLOCK.exec(at.text);
  if (!clock) return cut(at, RELATIVE);
  setStamp(at, 'date', clock[1] ?? '', false);
  at.text = at.text.slice(clock[0].length);
  return 'again';
}

const KMSG = /^(\d{1,5}),(\d{1,19}),(\d{1,16}),([^,;]{0,8})((?:,[^,;]*)*);/;
const ISO = /^(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:[.,](\d{1,9}))?(Z|[+-]\d\d:?\d\d)? ?/;
const CRI = /^std(?:out|err) [FP] /;

function fromDigits(at: LogLine): 'again' | 'done' | 'drop' {
  const kmsg = at.text.charCodeAt(4) === 0x2d /* - */ ? null : KMSG.exec(at.text);
  if (kmsg) {
    const [prefix, priority, , us = '', , more] = kmsg;
    // Facility 0 is the kernel; what a process writes there is not, however it looks.
    if (Number(priority) >> 3 !== 0) return 'drop';
    at.sinceBootUs = safe(us);
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
  const host = HOST_AND_KERNEL.exec(at.text);
  if (host) takeHost(at, host);
  return 'again';
}

const SYSLOG = /^([A-Z][a-z]{2}) +(\d{1,2})(?: (\d{4}))? (\d\d):(\d\d):(\d\d)(?:\.(\d{1,6}))? /;
const HOST_AND_KERNEL = /^(?:([\w.:-]{1,255}) )?kernel(?:\[\d+\])?: ?/;
/** dmesg -x */
const LEVEL = /^(?:kern|user|daemon) *:(?:emerg|alert|crit|err|warn|notice|info|debug) *: /;
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

function fromWord(at: LogLine): 'again' | 'done' {
  const syslog = SYSLOG.exec(at.text);
  if (!syslog) {
    if (cut(at, LEVEL) === 'again') return 'again';
    const host = HOST_AND_KERNEL.exec(at.text);
    if (!host) return 'done';
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

/** Milliseconds since 1970; null: there is no stamp, or it cannot be one. */
export function readTime({ stamp }: LogLine): number | null {
  if (stamp === null) return null;
  const ms =
    stamp.form === 'us'
      ? Number(stamp.text) / 1000
      : stamp.form === 'syslog'
        ? syslogTime(stamp.text)
        : dateTime(stamp.text);
  return Number.isFinite(ms) ? ms : null;
}

function dateTime(text: string): number {
  const [, date, clock, fraction = '0', zone] = ISO.exec(text) ?? [];
  if (date === undefined) return Date.parse(text);
  const offset = zone === undefined ? '' : zone.length === 5 ? `${zone.slice(0, 3)}:${zone.slice(3)}` : zone;
  return Date.parse(`${date}T${clock}.${fraction.slice(0, 3).padEnd(3, '0')}${offset}`);
}

/** syslog has no year: the latest one that is not in the future. */
function syslogTime(text: string): number {
  const [, month = '', day, year, h, m, s, fraction = '0'] = SYSLOG.exec(text) ?? [];
  const ms = Math.floor(Number(`0.${fraction}`) * 1000);
  const now = new Date();
  const rest = [MONTHS.indexOf(month), Number(day), Number(h), Number(m), Number(s), ms] as const;
  const then = new Date(Number(year ?? now.getFullYear()), ...rest);
  if (year === undefined && then.getTime() > now.getTime() + 86_400_000) then.setFullYear(now.getFullYear() - 1);
  return then.getTime();
}

function takeHost(at: LogLine, [prefix, host]: RegExpExecArray): void {
  at.host ??= host ?? null;
  at.text = at.text.slice(prefix.length);
}

/** Of several the outermost that has year and zone. */
function setStamp(at: LogLine, form: Stamp['form'], text: string, complete: boolean): void {
  if (at.stamp === null || (complete && !at.stamp.complete)) at.stamp = { form, text, complete };
}

const safe = (digits: string) => (Number.isSafeInteger(Number(digits)) ? Number(digits) : null);

/** /dev/kmsg writes what is not printable as \xNN, the backslash too (kernel/printk/printk.c: append_char). */
function unescapeKmsg(text: string): string {
  if (!text.includes('\\x')) return text;
  const raw = text.replace(/\\x([0-9a-f]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  return Buffer.from(raw, 'latin1').toString('utf8');
}

/** journalctl -o json, Docker's json-file, and whoever calls it "message". */
function fromJson(at: LogLine): 'again' | 'done' | 'drop' {
  let record: Record<string, unknown>;
  try {
    record = JSON.parse(at.text) as Record<string, unknown>;
  } catch {
    return 'done';
  }
  const text = textOf(record.MESSAGE ?? record.log ?? record.message ?? record.msg);
  if (text === null) return 'done';
  const transport = record._TRANSPORT;
  if (typeof transport === 'string' && transport !== 'kernel') return 'drop';
  const string = (key: string) => (typeof record[key] === 'string' ? (record[key] as string) : null);
  at.host ??= string('_HOSTNAME');
  at.bootId ??= string('_BOOT_ID');
  const monotonic = string('_SOURCE_MONOTONIC_TIMESTAMP') ?? string('__MONOTONIC_TIMESTAMP');
  if (monotonic !== null && /^\d+$/.test(monotonic)) at.sinceBootUs = safe(monotonic);
  const realtime = string('_SOURCE_REALTIME_TIMESTAMP') ?? string('__REALTIME_TIMESTAMP');
  if (realtime !== null && /^\d{1,17}$/.test(realtime)) setStamp(at, 'us', realtime, true);
  const stamp = string('time') ?? string('timestamp') ?? string('@timestamp');
  if (stamp !== null) setStamp(at, 'date', stamp, /Z$|[+-]\d\d:?\d\d$/.test(stamp));
  at.text = text.replace(/\r?\n$/, '');
  return monotonic === null ? 'again' : 'done';
}

/** journalctl gives what is not printable UTF-8 as an array of bytes. */
function textOf(value: unknown): string | null {
  if (typeof value === 'string') return value;
  if (!Array.isArray(value) || value.length > 65536 || !value.every((byte) => typeof byte === 'number')) return null;
  return Buffer.from(value as number[]).toString('utf8');
}
