/** The corpus of real reports, and functions that write them in various log formats. */
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { toReport } from '../../src/explain/report.ts';
import { Scan } from '../../src/explain/scan.ts';
import type { OomReport } from '../../src/model/oom-report.ts';
import { type KernelLogRecord, parseKernelLogRecord } from '../kernel/kernel-log.ts';

export const CORPUS = join(import.meta.dirname, '../fixtures/oom-logs');

/** The files of the corpus, such as "6.12/v2-memcg.kmsg". */
export const fixtures = globSync('*/*.kmsg', { cwd: CORPUS }).sort();

export const fixture = (name: string) => readFileSync(join(CORPUS, name), 'latin1');

export interface Explained {
  reports: OomReport[];
  warnings: string[];
}

/** @param step number of bytes passed at a time, as from a pipe */
export function explain(log: string | Buffer, step?: number): Explained {
  const reports: OomReport[] = [];
  const scan = new Scan((draft) => reports.push(toReport(draft, { input: 'test' }, reports.length)));
  const bytes = typeof log === 'string' ? Buffer.from(log) : log;
  for (let at = 0; at < bytes.length; at += step ?? bytes.length)
    scan.push(bytes.subarray(at, at + (step ?? bytes.length)));
  scan.end();
  return { reports, warnings: scan.assembler.warnings };
}

/** Parses a fixture with the tests' own reader of /dev/kmsg, which shares no code with the parser under test. */
export function recordsOf(kmsg: string): KernelLogRecord[] {
  return kmsg.split('\n').flatMap((line) => parseKernelLogRecord(line) ?? []);
}

/** The lines of a fixture as dmesg prints them: a record with line feeds becomes several lines. */
export function linesOf(kmsg: string): { timeUs: number; text: string }[] {
  return recordsOf(kmsg).flatMap(({ timeUs, text }) => text.split('\n').map((line) => ({ timeUs, text: utf8(line) })));
}

const utf8 = (text: string) => Buffer.from(text, 'latin1').toString('utf8');

const START = Date.UTC(2026, 10, 20, 8);
const clock = (us: number) => new Date(START + us / 1000);
const seconds = (us: number) => (us / 1e6).toFixed(6).padStart(12);
const local = (us: number) => {
  const [day, month, date, year, time] = clock(us).toString().split(' ');
  return { day, month, date, year, time };
};

/** Writes a kernel message in the format of each tool. */
export const forms: Record<string, (line: { timeUs: number; text: string }) => string> = {
  'no prefix': ({ text }) => text,
  dmesg: ({ timeUs, text }) => `[${seconds(timeUs)}] ${text}`,
  'dmesg with callers': ({ timeUs, text }) => `[${seconds(timeUs)}] [ T1234] ${text}`,
  'dmesg -x': ({ timeUs, text }) => `kern  :info  : [${seconds(timeUs)}] ${text}`,
  'dmesg -r': ({ timeUs, text }) => `<6>[${seconds(timeUs)}] ${text}`,
  'dmesg -T': ({ timeUs, text }) => {
    const { day, month, date, year, time } = local(timeUs);
    return `[${day} ${month} ${date} ${time} ${year}] ${text}`;
  },
  'dmesg iso': ({ timeUs, text }) =>
    `${clock(timeUs).toISOString().replace('.', ',').replace('Z', '000+00:00')} ${text}`,
  'dmesg in colour': ({ timeUs, text }) => `\x1b[32m[${seconds(timeUs)}] \x1b[0m\x1b[1m${text}\x1b[0m`,
  'Windows line ends': ({ timeUs, text }) => `[${seconds(timeUs)}] ${text}\r`,
  syslog: ({ timeUs, text }) => {
    const { month, date, time } = local(timeUs);
    return `${month} ${date} ${time} web-1.example kernel: [${seconds(timeUs)}] ${text}`;
  },
  'rsyslog iso': ({ timeUs, text }) =>
    `${clock(timeUs).toISOString().replace('Z', '000+00:00')} web-1 kernel: [${seconds(timeUs)}] ${text}`,
  'journalctl short-monotonic': ({ timeUs, text }) => `[${seconds(timeUs)}] web-1 kernel: ${text}`,
  'journalctl json': ({ timeUs, text }) =>
    JSON.stringify({
      MESSAGE: text,
      _TRANSPORT: 'kernel',
      _HOSTNAME: 'web-1',
      _BOOT_ID: 'b0b',
      _SOURCE_MONOTONIC_TIMESTAMP: String(timeUs),
      __REALTIME_TIMESTAMP: String(START * 1000 + timeUs),
    }),
  'Kubernetes node log': ({ timeUs, text }) =>
    `${clock(timeUs).toISOString().replace('Z', '123456Z')} stdout F [${seconds(timeUs)}] ${text}`,
  'Docker json-file': ({ timeUs, text }) =>
    JSON.stringify({ log: `[${seconds(timeUs)}] ${text}\n`, stream: 'stdout', time: clock(timeUs).toISOString() }),
};
