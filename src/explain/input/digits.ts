/** Digits of a log as numbers. What cannot be a number that a kernel printed is noted, so that its line is not believed. */

/** In pages of 4 KiB, and all the more in KiB, this is as much as can be told exactly in bytes. */
const MOST_UNITS = 2 ** 41;

let disbelieved = false;

/** Was there one since the last time? */
export function tookDisbelief(): boolean {
  const was = disbelieved;
  disbelieved = false;
  return was;
}

/** A count, or a size in bytes. */
export function int(digits: string | undefined): number {
  const value = Number(digits);
  if (digits === undefined || !Number.isSafeInteger(value)) disbelieved = true;
  return value;
}

/** A size in pages or KiB. */
export function units(digits: string | undefined): number {
  const value = int(digits);
  if (value > MOST_UNITS) disbelieved = true;
  return value;
}
