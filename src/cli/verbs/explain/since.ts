import { type Option, usage } from '../../verb/options.ts';

const HOUR_MS = 3_600_000;
const units: Record<string, number> = { s: 1000, m: 60_000, h: HOUR_MS, d: 24 * HOUR_MS, w: 7 * 24 * HOUR_MS };

/**
 * Declares an option for a time in the past: a duration before now, or a date. It is parsed to milliseconds since
 * 1970.
 */
export function since(value: string, help: string): Option<number> {
  return {
    ...{ value, help },
    parse: (given, name) => {
      const [, number, unit = ''] = /^(\d{1,6})([smhdw])$/.exec(given) ?? [];
      const dated = /^\d{4}-\d\d-\d\d/.test(given) ? Date.parse(given) : Number.NaN;
      const at = number === undefined ? dated : Date.now() - Number(number) * (units[unit] as number);
      if (!Number.isFinite(at))
        throw usage(`${name}: expected a time such as 30m, 24h, 7d or 2026-11-22T10:00:00Z, got "${given}".`);
      return at;
    },
  };
}
