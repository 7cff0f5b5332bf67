/** Sends one mail by SMTP (RFC 5321), with STARTTLS (RFC 3207) and a login (RFC 4954). */
import type { Socket } from 'node:net';
import { hostname } from 'node:os';
import { printable } from '../../text/printable.ts';
import type { Envelope } from './mail-message.ts';

export interface SmtpServer {
  host: string;
  port: number;
  /** `now`: TLS from the first byte. `required`: by STARTTLS. `offered`: by STARTTLS if the server has it. */
  tls: 'now' | 'required' | 'offered';
  login: { user: string; password: string } | undefined;
  /** Certificates (PEM) of an authority to trust instead of those of Node. */
  ca: string | undefined;
}

/** The server refused a command. */
export class SmtpRefusal extends Error {
  readonly code: number;
  /** Whether the message itself was refused, not the login. */
  readonly isFinal: boolean;

  constructor(answer: Answer, isFinal: boolean) {
    super(printable(answer.text));
    this.code = answer.code;
    this.isFinal = isFinal && answer.code >= 500;
  }
}

interface Answer {
  code: number;
  text: string;
}

/** Longest answer (bytes). */
const MOST_ANSWER = 64 * 1024;

/** @returns the last answer of the server. @throws SmtpRefusal, or the error of the connection */
export async function sendBySmtp(
  server: SmtpServer,
  envelope: Envelope,
  message: string,
  signal: AbortSignal,
): Promise<string> {
  let wire = await Wire.connect(server, signal);
  try {
    await wire.expect(220);
    let offers = await greet(wire);
    if (server.tls !== 'now' && (server.tls === 'required' || offers.has('STARTTLS'))) {
      if (!offers.has('STARTTLS')) throw new Error('the server offers no STARTTLS, so nothing was sent');
      await wire.command('STARTTLS', 220);
      wire = await wire.secured(server, signal);
      offers = await greet(wire); // what was said before is not trusted
    }
    if (server.login) await logIn(wire, offers.get('AUTH') ?? '', server.login);
    await wire.command(`MAIL FROM:<${envelope.from}>`, 250, true);
    await nameRecipients(wire, envelope.to);
    await wire.command('DATA', 354, true);
    const { text } = await wire.command(`${message.replace(/^\./gm, '..')}.`, 250, true);
    wire.bye();
    return printable(text);
  } finally {
    wire.destroy();
  }
}

/** The extensions that the server offers, with their parameters. */
async function greet(wire: Wire): Promise<Map<string, string>> {
  const { text } = await wire.command(`EHLO ${hostname().replace(/[^\w.-]/g, '') || 'localhost'}`, 250);
  return new Map(
    text.split('\n').map((line) => {
      const [name = '', ...parameters] = line.trim().toUpperCase().split(/[ =]/);
      return [name, parameters.join(' ')];
    }),
  );
}

async function logIn(
  wire: Wire,
  mechanisms: string,
  { user, password }: { user: string; password: string },
): Promise<void> {
  const inBase64 = (text: string) => Buffer.from(text).toString('base64');
  const offered = mechanisms.split(' ');
  if (offered.includes('PLAIN')) {
    await wire.command(`AUTH PLAIN ${inBase64(`\0${user}\0${password}`)}`, 235);
  } else if (offered.includes('LOGIN')) {
    await wire.command('AUTH LOGIN', 334);
    await wire.command(inBase64(user), 334);
    await wire.command(inBase64(password), 235);
  } else throw new Error('the server offers neither AUTH PLAIN nor AUTH LOGIN');
}

/** One wrong address does not keep the others from their mail. */
async function nameRecipients(wire: Wire, to: readonly string[]): Promise<void> {
  let refusal: unknown;
  let accepted = 0;
  for (const address of to) {
    try {
      await wire.command(`RCPT TO:<${address}>`, 250, true);
      accepted++;
    } catch (error) {
      if (!(error instanceof SmtpRefusal)) throw error;
      refusal = error;
    }
  }
  if (accepted === 0) throw refusal;
}

/** A connection, read by answers. */
class Wire {
  readonly #socket: Socket;
  #buffer = '';
  #error: Error | undefined;
  #wake = () => {};

  private constructor(socket: Socket, signal: AbortSignal) {
    this.#socket = socket;
    const fail = (error: Error) => {
      this.#error ??= error;
      this.#wake();
    };
    socket.setEncoding('utf8').on('data', (text: string) => {
      this.#buffer += text;
      if (this.#buffer.length > MOST_ANSWER) fail(new Error('the answer of the server is too long'));
      this.#wake();
    });
    socket.on('error', fail);
    socket.on('close', () => fail(new Error('the server closed the connection')));
    const end = () => {
      fail(new Error('no answer in time'));
      socket.destroy();
    };
    if (signal.aborted) end();
    else signal.addEventListener('abort', end, { once: true });
    socket.once('close', () => signal.removeEventListener('abort', end));
  }

  static async connect({ host, port, tls, ca }: SmtpServer, signal: AbortSignal): Promise<Wire> {
    if (tls !== 'now') return new Wire(process.getBuiltinModule('node:net').connect(port, host), signal);
    const options = { host, port, servername: host, ...(ca !== undefined && { ca }) };
    return new Wire(process.getBuiltinModule('node:tls').connect(options), signal);
  }

  /** The same connection with TLS. */
  async secured({ host, ca }: SmtpServer, signal: AbortSignal): Promise<Wire> {
    // Bytes that came before TLS could be read as answers within TLS (CVE-2011-0411).
    if (this.#buffer !== '') throw new Error('the server sent more than an answer to STARTTLS');
    const socket = this.#socket;
    socket.removeAllListeners('data');
    const options = { socket, servername: host, ...(ca !== undefined && { ca }) };
    const secure = process.getBuiltinModule('node:tls').connect(options);
    return new Wire(secure, signal);
  }

  /** @param isFinal a code from 500 means that the message is refused for good */
  async command(line: string, expected: number, isFinal = false): Promise<Answer> {
    this.#socket.write(`${line}\r\n`);
    return this.expect(expected, isFinal);
  }

  async expect(expected: number, isFinal = false): Promise<Answer> {
    const answer = await this.#answer();
    // 251 and 252 also mean that an address is accepted.
    if (answer.code === expected || (expected === 250 && answer.code > 250 && answer.code < 260)) return answer;
    throw new SmtpRefusal(answer, isFinal);
  }

  bye(): void {
    this.#socket.end('QUIT\r\n');
  }

  destroy(): void {
    if (!this.#socket.writableEnded) this.#socket.destroy();
  }

  /** "250-one\r\n250 two\r\n" is one answer. */
  async #answer(): Promise<Answer> {
    for (;;) {
      const found = /^(?:\d{3}-[^\n]*\n)*(\d{3})(?: [^\n]*)?\n/.exec(this.#buffer);
      if (found) {
        this.#buffer = this.#buffer.slice(found[0].length);
        const text = found[0].replace(/^\d{3}[ -]?/gm, '').trim();
        return { code: Number(found[1]), text: `${found[1]} ${text}`.trim() };
      }
      if (this.#error) throw this.#error;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}
