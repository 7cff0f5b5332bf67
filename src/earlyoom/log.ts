/**
 * The lines of earlyoom: on stdout and stderr, coloured on a terminal, or with --syslog in the system's log. Scripts
 * parse these lines.
 */
import { writeSync } from 'node:fs';
import { isatty } from 'node:tty';
import { loadNative } from '../native/addon.ts';

export interface EarlyoomLog {
  /** Lines that stay on stderr with --syslog, too. */
  plain: (text: string) => void;
  warn: (text: string) => void;
  info: (text: string) => void;
  /** Nothing is written unless `debugging` is set. */
  debug: (text: string) => void;
  debugging: boolean;
  /** --syslog: from now on, all lines except the plain ones go to syslog. */
  useSyslog: () => void;
  /** Writes "fatal: …" and ends the reading of options. The text may lack its line break, as some of earlyoom's do. */
  fatal: (exitCode: number, text: string) => never;
}

/** earlyoom would exit with this status: after a fatal error, or after -v or -h. */
export class EarlyoomExit extends Error {
  readonly exitCode: number;

  constructor(exitCode: number, message: string) {
    super(message);
    this.exitCode = exitCode;
  }
}

const STDOUT = 1;
const STDERR = 2;
/** syslog(3): LOG_DAEMON, and the severities of the lines. */
const DAEMON = 3 << 3;
const severities = { fatal: 3, warn: 4, info: 6, debug: 7 } as const;
type Level = keyof typeof severities;
const colours: Record<Level, string> = { fatal: '\x1b[31m', warn: '\x1b[33m', info: '', debug: '\x1b[2m' };
const RESET = '\x1b[0m';

export function openLog(): EarlyoomLog {
  const coloured = (fd: number) => process.env.NO_COLOR === undefined && isatty(fd);
  const colour: Record<number, boolean> = { [STDOUT]: coloured(STDOUT), [STDERR]: coloured(STDERR) };
  let syslog = false;
  const write = (level: Level, fd: number, text: string) => {
    if (syslog) send(severities[level], text);
    else put(fd, colour[fd] ? `${colours[level]}${text}${RESET}` : text);
  };
  const log: EarlyoomLog = {
    debugging: false,
    plain: (text) => put(STDERR, text),
    warn: (text) => write('warn', STDERR, text),
    info: (text) => write('info', STDOUT, text),
    debug: (text) => {
      if (log.debugging) write('debug', STDOUT, text);
    },
    useSyslog: () => {
      syslog = true;
    },
    fatal: (exitCode, text) => {
      write('fatal', STDERR, `fatal: ${text}`);
      throw new EarlyoomExit(exitCode, text);
    },
  };
  return log;
}

/** How long a line waits for a reader of a non-blocking pipe that is full (ms). */
const PATIENCE_MS = 1000;
/** Exit status of a shell for a program that SIGPIPE has ended. */
const BROKEN_PIPE = 128 + 13;

/** Writes at once: a line that waits in a buffer would be lost if the process is killed. */
function put(fd: number, text: string): void {
  let rest: Buffer = Buffer.from(text);
  const until = performance.now() + PATIENCE_MS;
  while (rest.length > 0) {
    try {
      rest = rest.subarray(writeSync(fd, rest));
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'EPIPE') throw new EarlyoomExit(BROKEN_PIPE, 'no process reads the output');
      if (code !== 'EAGAIN' || performance.now() > until) return;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1);
    }
  }
}

/** vsyslog(3) of glibc. A machine without a system log loses the line, as with earlyoom. */
function send(severity: number, text: string): void {
  const time = new Date().toString().replace(/^\w+ (\w+) (\d+) \d+ (\d+:\d+:\d+).*$/, (_, month, day, clock) => {
    return `${month} ${String(Number(day)).padStart(2)} ${clock}`;
  });
  loadNative().sendDatagram('/dev/log', `<${DAEMON | severity}>${time} earlyoom[${process.pid}]: ${text}`);
}
