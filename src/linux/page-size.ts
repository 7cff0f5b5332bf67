import { readFileSync } from 'node:fs';

const AT_PAGESZ = 6n;

/** Bytes of a page: getauxval(AT_PAGESZ), read from /proc so that no native code is needed. */
export function pageBytes(auxv = readFileSync('/proc/self/auxv')): number {
  for (let at = 0; at + 16 <= auxv.length; at += 16) {
    if (auxv.readBigUInt64LE(at) === AT_PAGESZ) return Number(auxv.readBigUInt64LE(at + 8));
  }
  return 4096;
}
