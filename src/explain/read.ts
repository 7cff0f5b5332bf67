/** Reads logs in bounded memory: files (plain, gzip or zstd), standard input, /dev/kmsg and the systemd journal. */
import { spawn } from 'node:child_process';
import { closeSync, constants, fstatSync, openSync, readFileSync, readSync, realpathSync, statSync } from 'node:fs';
import { hostname } from 'node:os';
import { setImmediate as breathe, setTimeout as sleep } from 'node:timers/promises';
import { MAGIC_BYTES, unpacker } from '../linux/unpack.ts';
import { OomscopeError } from '../model/error.ts';
import type { OomOtherKill } from '../model/oom-other-kill.ts';
import type { OomReport } from '../model/oom-report.ts';
import { printable } from '../text/printable.ts';
import { KILLER_COMMS } from './input/other-killers.ts';
import type { Clock } from './input/stamp.ts';
import { LookAhead } from './look-ahead.ts';
import { toOtherKill } from './other-kill.ts';
import type { LogContext } from './place.ts';
import { toReport } from './report.ts';
import { Scan } from './scan.ts';

/** Options of `readLog()`, `readKmsg()` and `readJournal()`. */
export interface ReadOptions {
  /** Called for each report. Reports come in the order in which they begin in the log. */
  onReport: (report: OomReport) => void;
  /** Called for each message about a kill that another program logged, such as systemd-oomd. */
  onOther?: (kill: OomOtherKill) => void;
  /** Time zone and year for time stamps without them. Default: UTC, and the latest year that is not in the future. */
  clock?: Clock | undefined;
  /** Copies the lines of each report to `OomReport.lines`. Default false. */
  lines?: boolean | undefined;
  /** Called with a sentence for each line of a report that could not be parsed, and for records that were lost. */
  onWarning?: (warning: string) => void;
  /** Called about every 64 MiB. @param bytes bytes read so far @param total size of the file; null for a stream */
  onProgress?: (bytes: number, total: number | null) => void;
  /** Aborting makes the read reject with the signal's reason. */
  signal?: AbortSignal;
}

/** The size of the log, and the number of its reports. */
export interface ReadResult {
  /** Size of the log after decompression, in bytes. */
  bytes: number;
  /** Number of reports found. */
  reports: number;
}

/** Bytes between two calls of `onProgress`, and for a file between two checks of `signal`. */
const SLICE = 64 * 1024 * 1024;
/** Bytes that are read from a file at a time. Less of it lies around the reports, and more takes more calls. */
const PIECE = 32 * 1024;
const RECORD_BYTES = 16 * 1024;

/**
 * Reads a log file.
 *
 * @param path a file, uncompressed or compressed with gzip or zstd; "-" is standard input
 * @throws OomscopeError NO_INPUT, BAD_INPUT
 */
export function readLog(path: string, options: ReadOptions): Promise<ReadResult> {
  return path === '-' ? readStream(process.stdin, '-', options) : readFile(path, options);
}

async function readFile(path: string, options: ReadOptions): Promise<ReadResult> {
  const fd = openLog(path);
  try {
    const stat = fstatSync(fd);
    const session = begin(path, options);
    const magic = Buffer.alloc(MAGIC_BYTES);
    // Only a regular file is checked for compression: bytes from a pipe cannot be read a second time.
    const count = stat.isFile() ? readSync(fd, magic, 0, MAGIC_BYTES, 0) : 0;
    const unpack = await unpacker(magic.subarray(0, count), path, 'oomscope explain -');
    if (unpack) {
      const { createReadStream } = await import('node:fs');
      return await readStream(createReadStream(path).pipe(unpack), path, options);
    }
    const total = stat.isFile() ? stat.size : null;
    const skip = stat.isFile() ? skipper(fd, stat.size, session.scan) : undefined;
    for (let next = SLICE; ; ) {
      await skip?.();
      const { space, bytes } = session.scan;
      const got = stat.isFIFO()
        ? await readFifo(fd, space, options.signal, bytes === 0)
        : readSync(fd, space, 0, Math.min(space.length, PIECE), skip ? bytes : null);
      if (got === 0) break;
      session.scan.filled(got);
      if (session.scan.bytes < next) continue;
      next += SLICE;
      options.onProgress?.(session.scan.bytes, total);
      await breathe();
      options.signal?.throwIfAborted();
    }
    if (stat.isFIFO() && session.scan.bytes === 0) {
      throw new OomscopeError('NO_INPUT', `Expected a log, got a FIFO that no process writes to: ${printable(path)}.`);
    }
    return session.end();
  } catch (error) {
    if (error instanceof OomscopeError || options.signal?.aborted) throw error;
    throw unreadable(path, error);
  } finally {
    closeSync(fd);
  }
}

/** @returns a function that lets the scan pass over bytes without an anchor */
function skipper(fd: number, size: number, scan: Scan): () => Promise<void> {
  let ahead: LookAhead | undefined;
  let line = 0;
  return async () => {
    if (!scan.canSkip || scan.bytes < line) return;
    // The phrases are known when the scan has seen the beginning of the log.
    ahead ??= LookAhead.begin(fd, size, scan.phrases);
    if (!ahead) return;
    const next = await ahead.next(scan.unread);
    line = next.line;
    scan.skipTo(line, next.phrase);
  };
}

/** Opens a log. It never waits, and refuses what does not end. @throws OomscopeError NO_INPUT */
function openLog(path: string): number {
  const refuse = (what: string) => new OomscopeError('NO_INPUT', `Expected a log, got ${what}: ${printable(path)}.`);
  try {
    // /proc/kmsg looks like a regular file. Reading it takes messages away from the system's own logger.
    if (realpathSync(path) === '/proc/kmsg') throw refuse('the file of the system logger (use --kmsg instead)');
    const stat = statSync(path);
    if (stat.isDirectory()) throw refuse('a directory');
    if (stat.isSocket()) throw refuse('a socket');
    const isEmpty = stat.rdev === statSync('/dev/null').rdev;
    if ((stat.isCharacterDevice() || stat.isBlockDevice()) && !isEmpty) {
      throw refuse('a device (--kmsg reads the kernel’s log, - reads what is typed or pasted)');
    }
    return openSync(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
  } catch (error) {
    throw error instanceof OomscopeError ? error : unreadable(path, error);
  }
}

/** How long a FIFO without a writer is read (ms). */
const WRITER_MS = 2000;
const POLL_MS = 10;

/** Reads from a FIFO, and waits for its content. @returns 0: the last writer has closed it, or none came */
async function readFifo(fd: number, space: Buffer, signal: AbortSignal | undefined, isNew: boolean): Promise<number> {
  for (const begin = performance.now(); ; ) {
    signal?.throwIfAborted();
    try {
      const got = readSync(fd, space);
      if (got > 0 || !isNew || performance.now() - begin > WRITER_MS) return got;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error;
    }
    await sleep(POLL_MS);
  }
}

async function readStream(stream: NodeJS.ReadableStream, name: string, options: ReadOptions): Promise<ReadResult> {
  const session = begin(name, options);
  let next = SLICE;
  try {
    for await (const chunk of stream) {
      session.scan.push(chunk as Buffer);
      options.signal?.throwIfAborted();
      if (session.scan.bytes < next) continue;
      next += SLICE;
      options.onProgress?.(session.scan.bytes, null);
    }
  } catch (error) {
    if (options.signal?.aborted) throw error;
    throw unreadable(name, error);
  }
  return session.end();
}

/**
 * Reads the kernel's log buffer as it is now; does not wait for further records.
 *
 * @throws OomscopeError NOT_PERMITTED, NO_INPUT
 */
export function readKmsg(options: ReadOptions): ReadResult {
  let fd: number;
  try {
    fd = openSync('/dev/kmsg', constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    if (!['EPERM', 'EACCES'].includes((error as NodeJS.ErrnoException).code ?? ''))
      throw unreadable('/dev/kmsg', error);
    throw new OomscopeError(
      'NOT_PERMITTED',
      '/dev/kmsg: reading the kernel log needs CAP_SYSLOG where kernel.dmesg_restrict is 1. Run as root, or use a file.',
    );
  }
  const session = begin('/dev/kmsg', options, thisMachine());
  const record = Buffer.allocUnsafe(RECORD_BYTES);
  try {
    for (;;) {
      try {
        const count = readSync(fd, record);
        session.scan.push(record.subarray(0, count));
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException;
        if (code === 'EAGAIN') return session.end();
        if (code !== 'EPIPE') throw unreadable('/dev/kmsg', error);
        options.onWarning?.('/dev/kmsg: the kernel overwrote records before they could be read');
      }
    }
  } finally {
    closeSync(fd);
  }
}

/** Matches of journalctl for the programs that kill for memory. systemd writes too much: only some of its messages. */
const KILLERS = [...KILLER_COMMS].filter((comm) => comm !== 'systemd').map((comm) => `_COMM=${comm}`);
/** SD_MESSAGE_UNIT_OUT_OF_MEMORY and SD_MESSAGE_UNIT_OOMD_KILL (systemd: src/systemd/sd-messages.h). */
const UNIT_MESSAGES = ['fe6faa94e7774663a0da52717891d8ef', 'd989611b15e44c9dbf31e3c81256e4ed'].map(
  (id) => `MESSAGE_ID=${id}`,
);

/**
 * Reads the kernel messages of all boots from the journal, and those of programs that kill for memory, with journalctl.
 *
 * @param sinceMs start of the period to read, in milliseconds since 1970; null: everything
 * @throws OomscopeError NO_INPUT
 */
export async function readJournal(sinceMs: number | null, options: ReadOptions): Promise<ReadResult> {
  const since = sinceMs === null ? [] : [`--since=@${Math.floor(sinceMs / 1000)}`];
  const fields = 'MESSAGE,_HOSTNAME,_BOOT_ID,_TRANSPORT,_COMM,_SOURCE_MONOTONIC_TIMESTAMP';
  const common = ['--no-pager', '--quiet', '--output=json', `--output-fields=${fields}`, ...since];
  const words = [...common, '_TRANSPORT=kernel', '+', ...KILLERS, '+', ...UNIT_MESSAGES];
  const child = spawn('journalctl', words, { stdio: ['ignore', 'pipe', 'pipe'] });
  let complaint = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    complaint += text.slice(0, 2000 - complaint.length);
  });
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once('error', () =>
      reject(
        new OomscopeError(
          'NO_INPUT',
          'Reading the journal needs journalctl, which is not installed. Use a file or --kmsg instead.',
        ),
      ),
    );
    child.once('close', resolve);
  });
  ended.catch(() => {});
  try {
    const result = await readStream(child.stdout, 'journal', options);
    const code = await ended;
    if (code !== 0)
      throw new OomscopeError('NO_INPUT', `journalctl failed with exit code ${code}: ${printable(complaint.trim())}`);
    return result;
  } finally {
    child.kill();
  }
}

function begin(input: string, options: ReadOptions, machine?: LogContext['machine']) {
  const { onReport, onWarning, onOther, clock, lines } = options;
  let reports = 0;
  let others = 0;
  const context = { input, machine, clock, lines };
  const scan = new Scan(
    (open) => onReport(toReport(open, context, reports++)),
    onOther && ((kill, from) => onOther(toOtherKill(kill, from, context, others++))),
  );
  const end = (): ReadResult => {
    scan.end();
    for (const warning of scan.assembler.warnings) onWarning?.(`${printable(input)}: ${warning}`);
    if (reports === 0 && scan.nuls > 0) {
      throw new OomscopeError(
        'BAD_INPUT',
        `${printable(input)}: expected a kernel log as text, got binary data (${scan.nuls} NUL bytes among the first 64 KiB).`,
      );
    }
    return { bytes: scan.bytes, reports };
  };
  return { scan, end };
}

/** The name of this machine and the time of its boot, for the kernel's time stamps, which count from boot. */
function thisMachine(): LogContext['machine'] {
  const uptime = Number(readFileSync('/proc/uptime', 'utf8').split(' ')[0]);
  return Number.isFinite(uptime) ? { host: hostname(), bootTimeSeconds: Date.now() / 1000 - uptime } : undefined;
}

function unreadable(name: string, error: unknown): OomscopeError {
  const { code, message } = error as NodeJS.ErrnoException;
  const reasons: Record<string, string> = {
    ENOENT: 'there is no such file',
    EACCES: 'permission denied',
    EISDIR: 'it is a directory',
    EAGAIN: 'reading it would wait for new content',
  };
  const reason = reasons[code ?? ''] ?? message;
  return new OomscopeError('NO_INPUT', `${printable(name)}: expected a log that can be read: ${printable(reason)}.`, {
    cause: error,
  });
}
