/** Times as journalctl has them (systemd.time(7)): "2026-11-28 10:00", "yesterday", "-5min", "5 min ago", "@1764324000". */

const msPer: Readonly<Record<string, number>> = {
  ...{ us: 0.001, usec: 0.001, ms: 1, msec: 1 },
  ...{ s: 1000, sec: 1000, second: 1000, seconds: 1000, m: 60_000, min: 60_000, minute: 60_000, minutes: 60_000 },
  ...{ h: 3_600_000, hr: 3_600_000, hour: 3_600_000, hours: 3_600_000 },
  ...{ d: 86_400_000, day: 86_400_000, days: 86_400_000, w: 604_800_000, week: 604_800_000, weeks: 604_800_000 },
  ...{ M: 2_629_800_000, month: 2_629_800_000, months: 2_629_800_000 },
  ...{ y: 31_557_600_000, year: 31_557_600_000, years: 31_557_600_000 },
};

const DATED =
  /^(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]* )?(\d{4})-(\d\d)-(\d\d)(?:[ T](\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?)? ?(Z|UTC|[+-]\d\d:?\d\d)?$/;
const CLOCK = /^(\d\d):(\d\d)(?::(\d\d))?$/;
const SPAN = /(\d+(?:\.\d+)?) ?([A-Za-z]+)/g;

/**
 * @param nowMs the present, in milliseconds since 1970. Times without a zone are in the zone of this process
 * @returns milliseconds since 1970; undefined: the text is not a time
 */
export function parseWhen(given: string, nowMs: number): number | undefined {
  const text = given.trim();
  if (text === 'now') return nowMs;
  const day = { today: 0, yesterday: -1, tomorrow: 1 }[text];
  if (day !== undefined) return midnight(nowMs, day);
  if (/^@\d{1,12}(?:\.\d+)?$/.test(text)) return Number(text.slice(1)) * 1000;
  return clock(text, nowMs) ?? dated(text) ?? relative(text, nowMs);
}

function midnight(nowMs: number, days: number): number {
  const date = new Date(nowMs);
  date.setHours(0, 0, 0, 0);
  date.setDate(date.getDate() + days);
  return date.getTime();
}

function clock(text: string, nowMs: number): number | undefined {
  const [, hour, minute, second = '0'] = CLOCK.exec(text) ?? [];
  if (hour === undefined || Number(hour) > 23 || Number(minute) > 59 || Number(second) > 59) return undefined;
  const date = new Date(nowMs);
  date.setHours(Number(hour), Number(minute), Number(second), 0);
  return date.getTime();
}

function dated(text: string): number | undefined {
  const [, year, month, day, hour = '00', minute = '00', second = '00', fraction = '', zone = ''] =
    DATED.exec(text) ?? [];
  if (year === undefined) return undefined;
  const offset = zone === 'UTC' ? 'Z' : zone.replace(/^([+-]\d\d)(\d\d)$/, '$1:$2');
  const at = Date.parse(
    `${year}-${month}-${day}T${hour}:${minute}:${second}.${fraction.slice(0, 3).padEnd(3, '0')}${offset}`,
  );
  // Date.parse() accepts the 31st of every month.
  return Number.isNaN(at) || new Date(`${year}-${month}-${day}T00:00:00Z`).getUTCDate() !== Number(day)
    ? undefined
    : at;
}

/** "5 min ago", "-1h30min", "2h ago", "+10s", "30m": a bare span is in the past, as no history has a future. */
function relative(text: string, nowMs: number): number | undefined {
  const [, sign = '', span = '', ago = ''] = /^([+-]?)(.*?)( ago| left)?$/.exec(text) ?? [];
  let ms = 0;
  const rest = span.replace(SPAN, (_, number: string, unit: string) => {
    ms += Number(number) * (msPer[unit] ?? Number.NaN);
    return '';
  });
  if (span === '' || rest.trim() !== '' || !Number.isFinite(ms)) return undefined;
  return sign === '+' || ago === ' left' ? nowMs + ms : nowMs - ms;
}
