/** Sends bytes to a server, as no well-behaved client would, and collects what comes back. */
import { connect, type Socket } from 'node:net';

export class Raw {
  readonly socket: Socket;
  text = '';
  /** Settles when the connection is closed, with all that was received. */
  readonly closed: Promise<string>;

  constructor(url: string) {
    const { hostname, port } = new URL(url);
    this.socket = connect(Number(port), hostname.replace(/^\[|\]$/g, ''));
    this.socket.on('data', (bytes) => {
      this.text += bytes.toString('latin1');
    });
    this.socket.on('error', () => {}); // a connection that the server resets
    this.closed = new Promise((resolve) => this.socket.once('close', () => resolve(this.text)));
  }

  send(text: string): this {
    this.socket.write(text);
    return this;
  }

  /** Waits until the text contains this. */
  async until(wanted: string): Promise<string> {
    while (!this.text.includes(wanted)) await new Promise((resolve) => setTimeout(resolve, 5));
    return this.text;
  }
}

/** Sends a whole request with these lines of header, and returns the response. */
export function exchange(url: string, line: string, headers: readonly string[] = [], body = ''): Promise<string> {
  const head = [line, ...headers, 'Connection: close'].map((each) => `${each}\r\n`).join('');
  return new Raw(url).send(`${head}\r\n${body}`).closed;
}
