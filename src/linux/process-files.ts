/** The formats of the files in /proc/PID, parsed from their bytes: for passes over all processes, many times a minute. */
import { decode, splitNul } from '../text/printable.ts';
import { pageBytes } from './page-size.ts';
import type { ProcessFields } from './process-record.ts';
import { LineReader, numberOf } from './small-file.ts';

/** include/linux/sched.h */
const PF_EXITING = 0x4;
const PF_KTHREAD = 0x00200000;

const OPEN = 0x28;
const CLOSE = 0x29;
const SPACE = 0x20;
const KIB = 1024;

const page = pageBytes();
/** The numeric fields of one stat, by their number in proc(5). Shared: they are read before the next file is parsed. */
const fields = new Float64Array(25);

/** /proc/PID/stat and /proc/PID/task/TID/stat. undefined: these bytes are not one. */
export function parseStat(stat: Buffer): ProcessFields<'stat'> | undefined {
  // The name in parentheses may itself contain anything: ")", blanks, newlines.
  const close = stat.lastIndexOf(CLOSE);
  if (close < 0) return undefined;
  readNumbers(stat, close + 4);
  if (Number.isNaN(fields[22])) return undefined;
  const state = String.fromCharCode(stat[close + 2] ?? 0x3f);
  const flags = fields[9] as number;
  return {
    comm: decode(stat.subarray(stat.indexOf(OPEN) + 1, close)).text,
    state,
    ppid: fields[4] as number,
    pgid: fields[5] as number,
    threads: fields[20] as number,
    startTicks: fields[22] as number,
    rssBytes: (fields[24] as number) * page,
    kernelThread: (flags & PF_KTHREAD) !== 0,
    exiting: (flags & PF_EXITING) !== 0 || state === 'Z' || state === 'X',
  };
}

/** Fields 4 to 24. Those that may be negative come out wrong, and are not used. */
function readNumbers(stat: Buffer, start: number): void {
  let field = 4;
  let value = 0;
  for (let at = start; at < stat.length && field < fields.length; at++) {
    const byte = stat[at] as number;
    if (byte === SPACE) {
      fields[field++] = value;
      value = 0;
    } else {
      value = value * 10 + (byte - 0x30);
    }
  }
  if (field < fields.length) fields[field++] = value;
  fields.fill(Number.NaN, field);
}

/** /proc/PID/status. A kernel thread and a zombie have no lines about memory. */
export function parseStatus(status: Buffer): ProcessFields<'status'> {
  const lines = new LineReader(status); // in the order of the file, which makes each search short
  const kib = (name: string) => (lines.number(name) ?? 0) * KIB;
  const uid = lines.number('Uid:') ?? 0;
  const totalVmBytes = kib('VmSize:');
  const rss = lines.number('VmRSS:');
  return {
    uid,
    totalVmBytes,
    hasMemory: rss !== undefined,
    rssBytes: (rss ?? 0) * KIB,
    anonBytes: kib('RssAnon:'),
    fileBytes: kib('RssFile:'),
    shmemBytes: kib('RssShmem:'),
    pageTablesBytes: kib('VmPTE:'),
    swapBytes: kib('VmSwap:'),
    killPending: hasSigkill(lines.rest('SigPnd:')) || hasSigkill(lines.rest('ShdPnd:')),
  };
}

/** Of /proc/PID/status, only the swapped memory. */
export const parseSwap = (status: Buffer): ProcessFields<'swap'> => ({
  swapBytes: (numberOf(status, 'VmSwap:') ?? 0) * KIB,
});

/** SIGKILL is bit 8 of a mask of 16 hexadecimal digits: the lowest bit of the third digit from the right. */
function hasSigkill(mask: Buffer | undefined): boolean {
  const digit = mask?.[13];
  return digit !== undefined && (Number.parseInt(String.fromCharCode(digit), 16) & 1) === 1;
}

/** The path in the hierarchy that has the memory controller: its own line on v1, the `0::` line on v2. */
export function memoryCgroup(text: string): string | undefined {
  let unified: string | undefined;
  for (const line of text.split('\n')) {
    const [hierarchy, controllers, ...path] = line.split(':');
    if (controllers?.split(',').includes('memory')) return path.join(':');
    if (hierarchy === '0') unified = path.join(':');
  }
  return unified;
}

/** /proc/PID/cmdline. Empty for a kernel thread, and for a process that is about to end. */
export const parseCmdline = (cmdline: Buffer): string[] => splitNul(cmdline).map((part) => decode(part).text);
