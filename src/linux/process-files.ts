/** Parsers for the files in /proc/PID. They work on bytes, because they run for all processes many times a minute. */
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
const NEWLINE = 0x0a;
const KIB = 1024;

const page = pageBytes();
/** The numeric fields of one stat file, by their number in proc(5). The next call of parseStat() overwrites them. */
const fields = new Float64Array(29);

/** Parses /proc/PID/stat or /proc/PID/task/TID/stat. undefined: the bytes do not have the format of these files. */
export function parseStat(stat: Buffer): ProcessFields<'stat'> | undefined {
  // The name in parentheses may contain any character: ")", spaces, newlines.
  const close = stat.lastIndexOf(CLOSE);
  if (close < 0) return undefined;
  readNumbers(stat, close + 4);
  if (Number.isNaN(fields[24])) return undefined;
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
    stackStart: fields[28] || 0,
    kernelThread: (flags & PF_KTHREAD) !== 0,
    exiting: (flags & PF_EXITING) !== 0 || state === 'Z' || state === 'X',
  };
}

/** Reads fields 4 to 28. Negative numbers are read wrongly, but no field that can be negative is used. */
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

/** Parses /proc/PID/status. It has no lines about memory for kernel threads and zombies. */
export function parseStatus(status: Buffer): ProcessFields<'status'> {
  const lines = new LineReader(status); // read in the order of the file, which makes each search short
  const kib = (name: string) => (lines.number(name) ?? 0) * KIB;
  const uid = lines.number('Uid:') ?? 0;
  const innerPid = innermostPid(lines.rest('NSpid:'));
  const totalVmBytes = kib('VmSize:');
  const rss = lines.number('VmRSS:');
  return {
    uid,
    innerPid,
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

/** The last of several numbers of a line: the pid in the innermost namespace. null: there is only one number, or no such line. */
function innermostPid(rest: Buffer | undefined): number | null {
  if (rest === undefined) return null;
  const pids = rest.subarray(0, rest.indexOf(NEWLINE)).toString('latin1').split('\t');
  return pids.length > 1 ? Number(pids.at(-1)) : null;
}

/** Parses only the swapped memory in /proc/PID/status. undefined: the process has no memory. */
export function parseSwap(status: Buffer): ProcessFields<'swap'> | undefined {
  const kib = numberOf(status, 'VmSwap:');
  return kib === undefined ? undefined : { swapBytes: kib * KIB };
}

/** SIGKILL is bit 8 of a mask of 16 hexadecimal digits: the lowest bit of the third digit from the right. */
function hasSigkill(mask: Buffer | undefined): boolean {
  const digit = mask?.[13];
  return digit !== undefined && (Number.parseInt(String.fromCharCode(digit), 16) & 1) === 1;
}

/** Finds the memory cgroup in /proc/PID/cgroup: in the line of the memory controller on v1, in the `0::` line on v2. */
export function memoryCgroup(text: string): string | undefined {
  let unified: string | undefined;
  for (const line of text.split('\n')) {
    const [hierarchy, controllers, ...path] = line.split(':');
    if (controllers?.split(',').includes('memory')) return path.join(':');
    if (hierarchy === '0') unified = path.join(':');
  }
  return unified;
}

/** Parses /proc/PID/cmdline. Empty for a kernel thread, and for a process that has freed its memory. */
export const parseCmdline = (cmdline: Buffer): string[] => splitNul(cmdline).map((part) => decode(part).text);
