/** Digits of a log as numbers. NaN stands for what no kernel can have printed; a line that holds a NaN is not believed. */

/** The largest size, in pages of 4 KiB or in KiB, whose bytes a number can hold exactly. */
const MOST_UNITS = 2 ** 41;

/** A count, or a size in bytes. */
export function int(digits: string | undefined): number {
  const value = Number(digits);
  return digits !== undefined && Number.isSafeInteger(value) ? value : Number.NaN;
}

/** A size in pages or KiB. */
export function units(digits: string | undefined): number {
  const value = int(digits);
  return value > MOST_UNITS ? Number.NaN : value;
}

/** null where the kernel printed no such field. */
export const maybe = (digits: string | undefined) => (digits === undefined ? null : int(digits));

/** True when `value` holds no NaN at any depth. */
export function isSound(value: unknown): boolean {
  // Object.values() and not for-in, which takes twice as long as all the rest of the parser.
  if (typeof value !== 'object' || value === null) return !Number.isNaN(value);
  return Object.values(value).every(isSound);
}
