/**
 * HTTP over a unix socket, with only what a container runtime's API needs: GET, and a stream of lines. It uses
 * HTTP/1.0, where the body ends when the connection ends. (`node:http` needs 14 MB of resident memory, a quarter of
 * the whole tracer's memory.)
 */
import { closeSync, fstatSync, openSync, readlinkSync, statSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { dirname } from 'node:path';
import { parseForeignJson } from '../text/foreign-json.ts';
import { type OtherUser, otherUser } from './other-user.ts';

/** The runtime answered with a status that is not 2xx. */
export class HttpError extends Error {
  override readonly name = 'HttpError';
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/** A unix socket, and the user who must own it. */
export interface Endpoint {
  path: string;
  uid: number;
}

export interface GetOptions {
  /** Timeout of the whole request, in milliseconds. */
  timeoutMs: number;
  /** Ends the request when it aborts. */
  signal?: AbortSignal | undefined;
  /** A longer answer is an error. Default 16 MiB. */
  mostBytes?: number;
}

/**
 * Gets a JSON body. Rejects with HttpError, a system error (ENOENT, EACCES, ECONNREFUSED, ETIMEDOUT) or SyntaxError,
 * also if the JSON is beyond the limits of parseForeignJson().
 */
export async function getJson(endpoint: Endpoint, path: string, options: GetOptions): Promise<unknown> {
  const mostBytes = options.mostBytes ?? 16 * 2 ** 20;
  const chunks: Buffer[] = [];
  let bytes = 0;
  const timeout = AbortSignal.timeout(options.timeoutMs);
  // Not AbortSignal.any(): a signal that lives as long as the tracer would keep something of each request.
  const status = await request(endpoint, path, options.signal ? [timeout, options.signal] : [timeout], (chunk) => {
    chunks.push(chunk);
    bytes += chunk.length;
    if (bytes > mostBytes) throw new Error(`an answer of more than ${mostBytes} bytes`);
  });
  const body = Buffer.concat(chunks).toString();
  if (status < 200 || status > 299) throw new HttpError(status, messageOf(body));
  return parseForeignJson(body);
}

/**
 * Calls `onLine` with each line until the server or `signal` ends the stream. Rejects with the same errors as
 * getJson(), and with the error that `onLine` throws.
 */
export async function getLines(
  endpoint: Endpoint,
  path: string,
  signal: AbortSignal,
  onLine: (line: string) => void,
): Promise<void> {
  let rest = '';
  const decoder = new TextDecoder();
  const status = await request(endpoint, path, [signal], (chunk) => {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n');
    rest = lines.pop() ?? '';
    if (rest.length > LONGEST_LINE) throw new Error(`a line of more than ${LONGEST_LINE} characters`);
    for (const line of lines) if (line.trim() !== '') onLine(line);
  });
  if (status < 200 || status > 299) throw new HttpError(status, messageOf(rest));
}

/**
 * Finds the user who owns a socket, and the user who can have put it there: a socket in a directory of root's is from
 * root, even if another user may use it. @throws a system error, or an Error with the code ENOTSOCK
 */
export function endpointAt(path: string): Endpoint & { user: OtherUser } {
  const { descriptor, uid } = hold(path);
  try {
    const { uid: owner, mode } = statSync(dirname(readlinkSync(`/proc/self/fd/${descriptor}`)));
    const isOwn = otherUser(owner) === null && (mode & 0o022) === 0;
    return { path, uid, user: isOwn ? null : otherUser(uid) };
  } finally {
    closeSync(descriptor);
  }
}

/** O_PATH of open(2), which Node does not name: the descriptor stands for the file itself, and nothing is opened. */
const O_PATH = 0o10000000;

function hold(path: string): { descriptor: number; uid: number } {
  const descriptor = openSync(path, O_PATH);
  const stats = fstatSync(descriptor);
  if (stats.isSocket()) return { descriptor, uid: stats.uid };
  closeSync(descriptor);
  throw Object.assign(new Error('it is no socket'), { code: 'ENOTSOCK' });
}

const LONGEST_LINE = 2 ** 20;
const LONGEST_HEAD = 65536;

/**
 * Sends a request, and resolves when the body has ended. An error that `onBody` throws ends the request.
 *
 * @returns the HTTP status
 */
async function request(
  { path: socketPath, uid }: Endpoint,
  path: string,
  signals: readonly AbortSignal[],
  onBody: (chunk: Buffer) => void,
): Promise<number> {
  const held = hold(socketPath);
  try {
    if (held.uid !== uid) throw new Error(`the socket belongs to the user ${held.uid}, not to ${uid}`);
    // Connects to the socket that was checked, even if another file has its path by now.
    return await exchange(connect({ path: `/proc/self/fd/${held.descriptor}` }), path, signals, onBody);
  } finally {
    closeSync(held.descriptor);
  }
}

function exchange(
  socket: Socket,
  path: string,
  signals: readonly AbortSignal[],
  onBody: (chunk: Buffer) => void,
): Promise<number> {
  return new Promise((resolve, reject) => {
    let head = Buffer.alloc(0);
    let status: number | undefined;
    const stop = () => socket.destroy(timedOut(signals.find(({ aborted }) => aborted)?.reason));
    if (signals.some(({ aborted }) => aborted)) stop();
    for (const signal of signals) signal.addEventListener('abort', stop, { once: true });
    socket.write(`GET ${path} HTTP/1.0\r\nHost: localhost\r\nUser-Agent: oomscope\r\n\r\n`);
    const take = (chunk: Buffer) => {
      if (status !== undefined) return onBody(chunk);
      head = Buffer.concat([head, chunk]);
      const end = head.indexOf('\r\n\r\n');
      if (end < 0) {
        if (head.length > LONGEST_HEAD) throw new Error('no end of the headers');
        return;
      }
      status = Number(/^HTTP\/1\.[01] (\d{3})\b/.exec(head.toString('latin1', 0, end))?.[1]);
      if (!Number.isInteger(status)) throw new Error('not HTTP');
      if (head.length > end + 4) onBody(head.subarray(end + 4));
    };
    let failure: Error | undefined;
    socket.on('data', (chunk: Buffer) => {
      try {
        if (failure === undefined) take(chunk);
      } catch (error) {
        failure = error as Error;
        socket.destroy();
      }
    });
    socket.on('error', (error) => {
      failure = error;
    });
    socket.on('close', () => {
      for (const signal of signals) signal.removeEventListener('abort', stop);
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
    return String((parseForeignJson(body) as { message?: unknown }).message ?? body).slice(0, 500);
  } catch {
    return body.trim().slice(0, 500);
  }
}
