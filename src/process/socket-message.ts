/** Sends a message to a program that listens on a unix socket, and waits until it has dealt with it. */
import type { Receipt } from '../model/receipt.ts';

/**
 * Writes one line to a stream socket. The receiver closes the connection when it is done. What it writes is not read.
 * Never rejects.
 *
 * @param path the socket's path; "@name" is an abstract address
 * @param signal aborts the waiting
 */
export function sendAndWait(path: string, line: string, signal: AbortSignal): Promise<Receipt> {
  const { connect } = process.getBuiltinModule('node:net');
  return new Promise((resolve) => {
    const socket = connect(path.startsWith('@') ? `\0${path.slice(1)}` : path);
    let sent = false;
    const end = (receipt: Receipt) => {
      signal.removeEventListener('abort', onAbort);
      socket.destroy();
      resolve(receipt);
    };
    const onAbort = () =>
      end({
        outcome: 'refused',
        reply: sent ? 'the receiver did not close the connection in time' : 'no answer in time',
      });
    signal.addEventListener('abort', onAbort, { once: true });
    socket.on('error', (error: NodeJS.ErrnoException) =>
      end({ outcome: 'refused', reply: error.code ?? error.message }),
    );
    socket.on('close', () => end({ outcome: 'delivered', reply: 'the receiver is done' }));
    socket.resume(); // only then the end of the connection is seen
    socket.write(`${line}\n`, () => {
      sent = true;
    });
    if (signal.aborted) onAbort();
  });
}
