/** Reads what files of systemd have in common: sections with settings, time spans, shares. */
import { unixText } from './shell.ts';

export interface Setting {
  line: number;
  section: string;
  name: string;
  value: string;
}

/**
 * The settings of a file, in its order; systemd.syntax(7). A backslash at the end of a line joins it with the next one,
 * and lines of comments in between are left out.
 */
export function systemdSettings(text: string): { settings: Setting[]; others: { line: number; text: string }[] } {
  const settings: Setting[] = [];
  const others: { line: number; text: string }[] = [];
  let section = '';
  let begun: { line: number; text: string } | undefined;
  for (const [i, raw] of unixText(text).split('\n').entries()) {
    const shown = raw.trim();
    if (/^[#;]/.test(shown) || (shown === '' && !begun)) continue;
    const { line, text: all } = begun
      ? { line: begun.line, text: `${begun.text} ${shown}` }
      : { line: i + 1, text: shown };
    begun = undefined;
    if (all.endsWith('\\')) {
      begun = { line, text: all.slice(0, -1).trimEnd() };
      continue;
    }
    const [, name, value] = /^([\w-]+)\s*=\s*(.*)$/s.exec(all) ?? [];
    const heading = /^\[(.+)\]$/.exec(all)?.[1];
    if (heading !== undefined) section = heading;
    else if (name !== undefined && value !== undefined) settings.push({ line, section, name, value });
    else others.push({ line, text: all });
  }
  if (begun) others.push(begun);
  return { settings, others };
}

/** Milliseconds of the units of systemd.time(7). A number without a unit is in seconds. */
const units: readonly (readonly [RegExp, number])[] = [
  [/^(usec|us|µs|μs)$/, 0.001],
  [/^(msec|ms)$/, 1],
  [/^(seconds?|sec|s|)$/, 1000],
  [/^(minutes?|min|m)$/, 60_000],
  [/^(hours?|hr|h)$/, 3_600_000],
  [/^(days?|d)$/, 86_400_000],
  [/^(weeks?|w)$/, 604_800_000],
  [/^(months?|M)$/, 2_629_800_000],
  [/^(years?|y)$/, 31_557_600_000],
];

/** A time span such as "20", "2min" or "1min 30s" (ms); undefined: it is none. */
export function timeSpan(text: string): number | undefined {
  if (text === 'infinity') return Number.POSITIVE_INFINITY;
  const parts = [...text.matchAll(/\s*(\d+(?:\.\d+)?)\s*([a-zA-Zµμ]*)\s*/gy)];
  if (parts.length === 0 || parts.map(([all]) => all).join('') !== text) return undefined;
  let ms = 0;
  for (const [, number, unit = ''] of parts) {
    const factor = units.find(([names]) => names.test(unit))?.[1];
    if (factor === undefined) return undefined;
    ms += Number(number) * factor;
  }
  return Math.round(ms);
}

/** A share such as "90%", "905‰" or "9050‱", in percent; undefined: it is none. */
export function share(text: string): number | undefined {
  const [, number, unit = ''] = /^(\d+(?:\.\d+)?)\s*([%‰‱])$/.exec(text) ?? [];
  if (number === undefined) return undefined;
  const percent = Number(number) / ({ '‰': 10, '‱': 100 }[unit] ?? 1);
  return percent <= 100 ? Math.round(percent * 100) / 100 : undefined;
}
