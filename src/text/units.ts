/**
 * The grammar of sizes and durations in command-line options, configuration files and detectors: a decimal number, at
 * most one blank, and a unit. The units of sizes are powers of 1024, in upper or lower case.
 */

const SIZE = /^(\d+(?:\.\d+)?) ?(?:([kmgt])(?:i?b)?|b)?$/i;
const DURATION = /^(\d+(?:\.\d+)?) ?(ms|s|m|h|d|w)?$/;

const bytesPer: Record<string, number> = { k: 2 ** 10, m: 2 ** 20, g: 2 ** 30, t: 2 ** 40 };
const msPer: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 };

/**
 * Parses a size such as "512", "512 B", "64M", "1.5 GiB" or "2kb".
 *
 * @returns whole bytes; undefined when the text is not a size
 */
export function parseSize(text: string): number | undefined {
  const [, number, unit = ''] = SIZE.exec(text) ?? [];
  if (number === undefined) return undefined;
  const bytes = Math.round(Number(number) * (bytesPer[unit.toLowerCase()] ?? 1));
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}

/**
 * Parses a duration such as "500ms", "1.5s", "2 m", "1h", "7d" or "2w".
 *
 * @param options.bareUnit the unit of a number without a unit; if absent, such a number is not a duration
 * @returns milliseconds; undefined when the text is not a duration
 */
export function parseDuration(text: string, options: { bareUnit?: 's' } = {}): number | undefined {
  const [, number, unit = options.bareUnit ?? ''] = DURATION.exec(text) ?? [];
  const ms = Number(number) * (msPer[unit] ?? Number.NaN);
  return Number.isFinite(ms) ? ms : undefined;
}

/** The shortest text that parseSize() reads as this number of bytes, without decimals: "64M", "1000". */
export function writeSize(bytes: number): string {
  const [unit, factor] = Object.entries(bytesPer).findLast(([, each]) => bytes > 0 && bytes % each === 0) ?? ['', 1];
  return `${bytes / factor}${unit.toUpperCase()}`;
}

/** A text that parseDuration() reads as this duration, in the largest unit up to days of which it is a whole number: "90d". */
export function writeDuration(ms: number): string {
  if (ms === 0) return '0s';
  const [unit, each] = Object.entries(msPer).findLast(([unit, each]) => unit !== 'w' && ms % each === 0) ?? ['ms', 1];
  return `${ms / each}${unit}`;
}
