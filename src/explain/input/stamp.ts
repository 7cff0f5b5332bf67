/** The time stamps that syslog, dmesg, journald and container runtimes write before a message. */

export interface Stamp {
  text: string;
  /** With year and zone. */
  complete: boolean;
  form: 'date' | 'syslog' | 'us';
}

export const ISO = /^(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:[.,](\d{1,9}))?(Z|[+-]\d\d:?\d\d)? ?/;
export const SYSLOG = /^([A-Z][a-z]{2}) +(\d{1,2})(?: (\d{4}))? (\d\d):(\d\d):(\d\d)(?:\.(\d{1,6}))? /;
export const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/** Milliseconds since 1970; null: there is no stamp, or it is no time. */
export function readTime({ stamp }: { stamp: Stamp | null }): number | null {
  if (stamp === null) return null;
  const ms = READ[stamp.form](stamp.text);
  return Number.isFinite(ms) ? ms : null;
}

const READ: Record<Stamp['form'], (text: string) => number> = {
  us: (text) => Number(text) / 1000,
  syslog: syslogTime,
  date: dateTime,
};

function dateTime(text: string): number {
  const [, date, clock, fraction = '0', zone] = ISO.exec(text) ?? [];
  if (date === undefined) return Date.parse(text);
  const offset = zone === undefined ? '' : zone.length === 5 ? `${zone.slice(0, 3)}:${zone.slice(3)}` : zone;
  return Date.parse(`${date}T${clock}.${fraction.slice(0, 3).padEnd(3, '0')}${offset}`);
}

/** A syslog stamp has no year: the latest year that does not put it in the future. */
function syslogTime(text: string): number {
  const [, month = '', day, year, h, m, s, fraction = '0'] = SYSLOG.exec(text) ?? [];
  const ms = Math.floor(Number(`0.${fraction}`) * 1000);
  const now = new Date();
  const rest = [MONTHS.indexOf(month), Number(day), Number(h), Number(m), Number(s), ms] as const;
  const then = new Date(Number(year ?? now.getFullYear()), ...rest);
  if (year === undefined && then.getTime() > now.getTime() + 86_400_000) then.setFullYear(now.getFullYear() - 1);
  return then.getTime();
}
