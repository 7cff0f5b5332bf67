/**
 * What stands before a kernel message, depending on who wrote it down: dmesg in its several forms, syslog, journalctl, the
 * container runtimes' logs, /dev/kmsg, or nobody. Prefixes nest: a node log of a syslog line of a dmesg line.
 */

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
  /** Milliseconds since 1970. */
  timeMs: number | null;
  /** false: the year or the zone was not in the text. */
  timeComplete: boolean;
  bootId: string | null;
}

const MOST_NESTED = 6;
/** Written with a name for the escape, which a pattern may not hold as it is. */
const COLOURS = new RegExp(`${String.fromCharCode(27)}\\[[0-9;]*m`, 'g');

/** @param raw a line without its line feed */
export function readLine(raw: string, offset: number): LogLine | null {
  const at: LogLine = {
    ...{ text: raw.endsWith('\r') ? raw.slice(0, -1) : raw, offset, host: null, caller: null },
    ...{ sinceBootUs: null, timeMs: null, timeComplete: false, bootId: null },
  };
  // What colours the output of dmesg; a name with an escape in it comes to us with the escape escaped.
  if (at.text.includes('\x1b[')) at.text = at.text.replaceAll(COLOURS, '');
  for (let depth = 0; depth < MOST_NESTED; depth++) {
    const outcome = strip(at);
    if (outcome === 'drop') return null;
    if (outcome === 'done') break;
  }
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
    return 'again';
  }
  const clock = CLOCK.exec(at.text);
  if (!clock) return cut(at, RELATIVE);
  setTime(at, Date.parse(clock[1] ?? ''), false);
  at.text = at.text.slice(clock[0].length);
  return 'again';
}

const KMSG = /^(\d{1,5}),(\d{1,19}),(\d{1,16}),([^,;]{0,8})((?:,[^,;]*)*);/;
const ISO = /^(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:[.,](\d{1,9}))?(Z|[+-]\d\d:?\d\d)? ?/;
const CRI = /^std(?:out|err) [FP] /;

function fromDigits(at: LogLine): 'again' | 'done' | 'drop' {
  const kmsg = KMSG.exec(at.text);
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
  const [prefix, date, clock, fraction = '0', zone] = iso;
  const offset = zone === undefined ? '' : zone.length === 5 ? `${zone.slice(0, 3)}:${zone.slice(3)}` : zone;
  setTime(at, Date.parse(`${date}T${clock}.${fraction.slice(0, 3).padEnd(3, '0')}${offset}`), zone !== undefined);
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
  const [prefix, month = '', day, year, h, m, s, fraction = ''] = syslog;
  const index = MONTHS.indexOf(month);
  if (index < 0) return 'done';
  setTime(at, localTime(index, [Number(day), Number(h), Number(m), Number(s)], fraction, year), false);
  at.text = at.text.slice(prefix.length);
  const host = HOST_AND_KERNEL.exec(at.text);
  if (host) takeHost(at, host);
  return 'again';
}

/** syslog has no year: the latest one that is not in the future. */
function localTime(month: number, [day = 1, h = 0, m = 0, s = 0]: number[], fraction: string, year?: string): number {
  const ms = Math.floor(Number(`0.${fraction || '0'}`) * 1000);
  if (year !== undefined) return new Date(Number(year), month, day, h, m, s, ms).getTime();
  const now = new Date();
  const then = new Date(now.getFullYear(), month, day, h, m, s, ms);
  if (then.getTime() > now.getTime() + 86_400_000) then.setFullYear(now.getFullYear() - 1);
  return then.getTime();
}

function takeHost(at: LogLine, [prefix, host]: RegExpExecArray): void {
  at.host ??= host ?? null;
  at.text = at.text.slice(prefix.length);
}

function setTime(at: LogLine, ms: number, complete: boolean): void {
  if (!Number.isFinite(ms) || (at.timeMs !== null && at.timeComplete)) return;
  at.timeMs = ms;
  at.timeComplete = complete;
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
  if (realtime !== null && /^\d{1,17}$/.test(realtime)) setTime(at, Number(realtime) / 1000, true);
  const stamp = string('time') ?? string('timestamp') ?? string('@timestamp');
  if (stamp !== null) setTime(at, Date.parse(stamp), /Z$|[+-]\d\d:?\d\d$/.test(stamp));
  at.text = text.replace(/\r?\n$/, '');
  return monotonic === null ? 'again' : 'done';
}

/** journalctl gives what is not printable UTF-8 as an array of bytes. */
function textOf(value: unknown): string | null {
  if (typeof value === 'string') return value;
  if (!Array.isArray(value) || value.length > 65536 || !value.every((byte) => typeof byte === 'number')) return null;
  return Buffer.from(value as number[]).toString('utf8');
}
