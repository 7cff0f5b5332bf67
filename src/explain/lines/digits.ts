/** Parses the digits of a log. NaN: a number that no kernel can have printed; parseLine() rejects a line with a NaN. */

/** The largest size, in pages of 4 KiB or in KiB, that is still a safe integer in bytes. */
const MOST_UNITS = 2 ** 41;

/** Parses a count, or a size in bytes. */
export function int(digits: string | undefined): number {
  const value = Number(digits);
  return digits !== undefined && Number.isSafeInteger(value) ? value : Number.NaN;
}

/** Parses a size in pages or KiB. */
export function units(digits: string | undefined): number {
  const value = int(digits);
  return value > MOST_UNITS ? Number.NaN : value;
}

/** Parses an optional field. null: the line does not have it. */
export const maybe = (digits: string | undefined) => (digits === undefined ? null : int(digits));

/** True when `value` contains no NaN at any depth. */
export function isSound(value: unknown): boolean {
  // Object.values(), because for-in takes twice as long as the rest of the parser.
  if (typeof value !== 'object' || value === null) return !Number.isNaN(value);
  return Object.values(value).every(isSound);
}
