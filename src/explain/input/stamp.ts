/** The time stamps that syslog, dmesg, journald and container runtimes write before a message. */
import { monthOf as foreignMonth } from './month-names.ts';

export interface Stamp {
  text: string;
  /** True when the time stamp has a year and a time zone. */
  complete: boolean;
  form: 'date' | 'syslog' | 'us';
}

/** The time zone and the year for time stamps without them. */
export interface Clock {
  /** "UTC", "+02:00" or a name such as "Europe/Berlin". */
  zone: string;
  /** undefined: the latest year that does not put the stamp in the future. */
  year: number | undefined;
}

/** The default: a time stamp without a time zone is read as UTC, so its hour stays the same as in the log. */
export const AS_WRITTEN: Clock = { zone: 'UTC', year: undefined };

export const ISO = /^(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:[.,](\d{1,9}))?(Z|[+-]\d\d:?\d\d)? ?/;
export const SYSLOG = /^([A-Z][a-z]{2}) +(\d{1,2})(?: (\d{4}))? (\d\d):(\d\d):(\d\d)(?:\.(\d{1,6}))? /;
export const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
/**
 * ctime(3), "Wed Jan  7 03:04:05 2026", with the day of the week and the month in any language, also with the day before
 * the month: dmesg -T takes the names from the locale.
 */
export const CTIME =
  /\p{L}[\p{L}-]{0,12}\.? (?:(?<month>\p{L}{3,10}\.?|\d{1,2}[月월]) +(?<day>\d{1,2})|(?<dayFirst>\d{1,2})\.? +(?<monthAfter>\p{L}{3,10}\.?)) (?<time>\d\d:\d\d:\d\d) (?<year>\d{4})/u;

/** Milliseconds since 1970; null: the line has no time stamp, or the time stamp is invalid. */
export function readTime({ stamp }: { stamp: Stamp | null }, clock = AS_WRITTEN): number | null {
  if (stamp === null) return null;
  const ms = READ[stamp.form](stamp.text, clock);
  return Number.isFinite(ms) ? ms : null;
}

const READ: Record<Stamp['form'], (text: string, clock: Clock) => number> = {
  us: (text) => Number(text) / 1000,
  syslog: syslogTime,
  date: dateTime,
};

function dateTime(text: string, clock: Clock): number {
  const [, date, time, fraction = '0', zone] = ISO.exec(text) ?? [];
  if (date !== undefined) {
    const wall = Date.parse(`${date}T${time}.${fraction.slice(0, 3).padEnd(3, '0')}Z`);
    return zone === undefined ? inZone(wall, clock.zone) : wall - offsetMs(zone);
  }
  const found = CTIME.exec(text)?.groups;
  const month = found && monthOf(found.month ?? found.monthAfter ?? '');
  if (!found || month === null || month === undefined) return Number.NaN;
  const [h, m, s] = (found.time ?? '').split(':').map(Number);
  return inZone(Date.UTC(Number(found.year), month, Number(found.day ?? found.dayFirst), h, m, s), clock.zone);
}

/** The month, from 0 to 11; null: the word is no month. English first, since the table of other languages costs time. */
function monthOf(word: string): number | null {
  const english = MONTHS.indexOf(word);
  return english >= 0 ? english : foreignMonth(word);
}

function syslogTime(text: string, clock: Clock): number {
  const [, month = '', day, year, h, m, s, fraction = '0'] = SYSLOG.exec(text) ?? [];
  const ms = Math.floor(Number(`0.${fraction}`) * 1000);
  const rest = [MONTHS.indexOf(month), Number(day), Number(h), Number(m), Number(s), ms] as const;
  const at = (full: number) => inZone(Date.UTC(full, ...rest), clock.zone);
  const given = year === undefined ? clock.year : Number(year);
  if (given !== undefined) return at(given);
  const now = Date.now();
  const current = new Date(now).getUTCFullYear();
  return at(current) > now + 86_400_000 ? at(current - 1) : at(current);
}

/** @param zone "+02:00", "-0330" or "Z" */
function offsetMs(zone: string): number {
  const [, sign, hours, minutes] = /^([+-])(\d\d):?(\d\d)$/.exec(zone) ?? [];
  if (sign === undefined) return 0;
  return (sign === '-' ? -1 : 1) * (Number(hours) * 60 + Number(minutes)) * 60_000;
}

/** @param wall local time in the zone, as milliseconds since 1970 as if the local time were UTC */
function inZone(wall: number, zone: string): number {
  if (zone === 'UTC' || Number.isNaN(wall)) return wall;
  if (/^[+-]/.test(zone)) return wall - offsetMs(zone);
  // The offset is computed twice, because the first guess may be on the other side of a change to or from summer time.
  const guess = wall - nameOffsetMs(wall, zone);
  return wall - nameOffsetMs(guess, zone);
}

function nameOffsetMs(at: number, zone: string): number {
  const format = new Intl.DateTimeFormat('en-US', { timeZone: zone, timeZoneName: 'longOffset' });
  const name = format.formatToParts(at).find(({ type }) => type === 'timeZoneName')?.value ?? '';
  return offsetMs(name.replace(/^GMT/, ''));
}

/** True when `zone` is a valid value of `Clock.zone`. */
export function isZone(zone: string): boolean {
  if (zone === 'UTC' || /^[+-]\d\d:?\d\d$/.test(zone)) return true;
  try {
    new Intl.DateTimeFormat('en-US', { timeZone: zone });
    return true;
  } catch {
    return false;
  }
}
