import { readFileSync } from 'node:fs';

const AT_PAGESZ = 6n;

/** The page size in bytes: AT_PAGESZ in /proc/self/auxv, so that no native code is needed. */
export function pageBytes(auxv = readFileSync('/proc/self/auxv')): number {
  for (let at = 0; at + 16 <= auxv.length; at += 16) {
    if (auxv.readBigUInt64LE(at) === AT_PAGESZ) return Number(auxv.readBigUInt64LE(at + 8));
  }
  return 4096;
}
