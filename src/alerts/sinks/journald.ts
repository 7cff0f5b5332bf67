/**
 * Writes a line to the journal, through the stream socket that journald offers for the standard output of services. The
 * other protocol of journald needs Unix datagram sockets, which Node does not have. Each line begins with its priority,
 * as in `<3>`.
 */
import { statSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { OomscopeError } from '../../model/error.ts';
import type { Receipt } from '../../model/receipt.ts';
import type { Severity } from '../../model/severity.ts';
import { printable } from '../../text/printable.ts';
import type { Sink } from './sink.ts';

export interface JournaldOptions {
  /** Default /run/systemd/journal/stdout. */
  socket?: string;
}

/** Priorities of syslog(3). */
const priority: Record<Severity, number> = { info: 6, warning: 4, critical: 2 };
/**
 * Identifier, unit, default priority; 1 = lines begin with a priority; 0 = do not forward to syslog, kernel log,
 * console.
 */
const HEADER = 'oomscope\n\n5\n1\n0\n0\n0\n';

/** @throws OomscopeError USAGE: the socket of journald does not exist */
export function journald({ socket: path = '/run/systemd/journal/stdout' }: JournaldOptions = {}): Sink {
  if (!statSync(path, { throwIfNoEntry: false })?.isSocket()) {
    throw new OomscopeError('USAGE', `journald: expected its socket at ${path}, got none: journald does not run here.`);
  }
  let socket: Socket | undefined;

  function opened(): Socket {
    if (socket?.writable) return socket;
    const made = connect(path);
    made.on('error', () => {}); // the callback of the failed write reports it
    made.on('close', () => {
      if (socket === made) socket = undefined;
    });
    made.write(HEADER);
    socket = made;
    return made;
  }

  return {
    name: 'journald',
    deliver({ status, severity, title, message }) {
      const level = status === 'resolved' ? priority.info : priority[severity];
      const line = `<${level}>${printable(status)}: ${printable(title)}. ${printable(message)}\n`;
      return new Promise<Receipt>((resolve) => {
        opened().write(line, (error) => {
          if (error) resolve({ outcome: 'retry', reply: error.message });
          else resolve({ outcome: 'delivered', reply: `written with priority ${level}` });
        });
      });
    },
    async close() {
      socket?.end();
    },
  };
}
