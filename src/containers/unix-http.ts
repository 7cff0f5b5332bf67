/**
 * HTTP over a unix socket, with only what a container runtime's API needs: GET, and a stream of lines. It uses
 * HTTP/1.0, where the body ends when the connection ends. (`node:http` needs 14 MB of resident memory, a quarter of
 * the whole tracer's memory.)
 */
import { connect, type Socket } from 'node:net';

/** The runtime answered with a status that is not 2xx. */
export class HttpError extends Error {
  override readonly name = 'HttpError';
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

export interface GetOptions {
  /** Timeout of the whole request, in milliseconds. */
  timeoutMs: number;
  /** A longer answer is an error. Default 16 MiB. */
  mostBytes?: number;
}

/**
 * Gets a JSON body. Rejects with HttpError, a system error (ENOENT, EACCES, ECONNREFUSED, ETIMEDOUT) or SyntaxError.
 */
export async function getJson(socketPath: string, path: string, options: GetOptions): Promise<unknown> {
  const mostBytes = options.mostBytes ?? 16 * 2 ** 20;
  const chunks: Buffer[] = [];
  let bytes = 0;
  const timeout = AbortSignal.timeout(options.timeoutMs);
  const status = await request(socketPath, path, timeout, (chunk, socket) => {
    chunks.push(chunk);
    bytes += chunk.length;
    if (bytes > mostBytes) socket.destroy(new Error(`an answer of more than ${mostBytes} bytes`));
  });
  const body = Buffer.concat(chunks).toString();
  if (status < 200 || status > 299) throw new HttpError(status, messageOf(body));
  return JSON.parse(body);
}

/**
 * Calls `onLine` with each line until the server or `signal` ends the stream. Rejects with the same errors as
 * getJson().
 */
export async function getLines(
  socketPath: string,
  path: string,
  signal: AbortSignal,
  onLine: (line: string) => void,
): Promise<void> {
  let rest = '';
  const decoder = new TextDecoder();
  const status = await request(socketPath, path, signal, (chunk, socket) => {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n');
    rest = lines.pop() ?? '';
    if (rest.length > LONGEST_LINE) socket.destroy(new Error(`a line of more than ${LONGEST_LINE} characters`));
    for (const line of lines) if (line.trim() !== '') onLine(line);
  });
  if (status < 200 || status > 299) throw new HttpError(status, messageOf(rest));
}

const LONGEST_LINE = 2 ** 20;
const LONGEST_HEAD = 65536;

/** Sends a request, and resolves when the body has ended. @returns the HTTP status */
function request(
  socketPath: string,
  path: string,
  signal: AbortSignal,
  onBody: (chunk: Buffer, socket: Socket) => void,
): Promise<number> {
  return new Promise((resolve, reject) => {
    const socket = connect({ path: socketPath });
    let head = Buffer.alloc(0);
    let status: number | undefined;
    const stop = () => socket.destroy(timedOut(signal.reason));
    if (signal.aborted) stop();
    signal.addEventListener('abort', stop, { once: true });
    socket.write(`GET ${path} HTTP/1.0\r\nHost: localhost\r\nUser-Agent: oomscope\r\n\r\n`);
    socket.on('data', (chunk: Buffer) => {
      if (status !== undefined) return onBody(chunk, socket);
      head = Buffer.concat([head, chunk]);
      const end = head.indexOf('\r\n\r\n');
      if (end < 0) {
        if (head.length > LONGEST_HEAD) socket.destroy(new Error('no end of the headers'));
        return;
      }
      status = Number(/^HTTP\/1\.[01] (\d{3})\b/.exec(head.toString('latin1', 0, end))?.[1]);
      if (!Number.isInteger(status)) socket.destroy(new Error('not HTTP'));
      else if (head.length > end + 4) onBody(head.subarray(end + 4), socket);
    });
    let failure: Error | undefined;
    socket.on('error', (error) => {
      failure = error;
    });
    socket.on('close', () => {
      signal.removeEventListener('abort', stop);
      if (failure) reject(failure);
      else if (status === undefined) reject(new Error('the connection ended before an answer'));
      else resolve(status);
    });
  });
}

function timedOut(reason: unknown): Error {
  if (!(reason instanceof Error) || reason.name !== 'TimeoutError') return new Error('ended');
  return Object.assign(new Error('no answer in time'), { code: 'ETIMEDOUT' });
}

/** The message in the body of an error, which is {"message": "…"} or plain text. */
function messageOf(body: string): string {
  try {
    return String((JSON.parse(body) as { message?: unknown }).message ?? body);
  } catch {
    return body.trim().slice(0, 500);
  }
}
