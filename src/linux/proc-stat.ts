/** /proc and /proc/PID/stat, read by bytes: for passes over all processes, many times a minute. */
import { readdirSync } from 'node:fs';
import { decode } from '../text/printable.ts';
import { numberAt } from './small-file.ts';

/** include/linux/sched.h */
export const PF_EXITING = 0x4;
export const PF_KTHREAD = 0x00200000;

const OPEN = 0x28;
const CLOSE = 0x29;
const SPACE = 0x20;

/** The processes that exist. @throws when there is no such directory */
export function pidsIn(proc: string): Set<number> {
  const pids = new Set<number>();
  for (const name of readdirSync(proc)) {
    const first = name.charCodeAt(0);
    if (first > 0x30 && first <= 0x39) pids.add(Number(name));
  }
  return pids;
}

/** Where the name ends, which may itself hold anything: `)`, blanks, newlines. Below 0: this is no stat. */
export const endOfName = (stat: Buffer): number => stat.lastIndexOf(CLOSE);

/** @param close what `endOfName` said */
export const nameIn = (stat: Buffer, close: number): string =>
  decode(stat.subarray(stat.indexOf(OPEN) + 1, close)).text;

/** A field, counted as in proc(5), from the third on. @param close what `endOfName` said */
export function statField(stat: Buffer, close: number, number: number): number {
  let at = close + 2;
  for (let each = 3; each < number; each++) at = stat.indexOf(SPACE, at) + 1;
  return numberAt(stat, at);
}
