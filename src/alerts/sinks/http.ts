/**
 * One POST and its outcome.
 *
 * Uses node:http, because fetch takes 16 MB of memory. Loads it with getBuiltinModule(), because `import` reads every
 * export of a module: reading the export WebSocket loads the code of fetch, and node:http then takes 14 MB instead of
 * 2.5 MB.
 */
import type { IncomingMessage } from 'node:http';
import { OomscopeError } from '../../model/error.ts';
import type { Receipt } from '../../model/receipt.ts';
import { printable } from '../../text/printable.ts';
import { redact, secretsIn } from './redact.ts';

/** How much of a response is read (bytes), and how much of its first line is shown (characters). */
const MOST_REPLY = 4096;
const SHOWN_REPLY = 200;
/** How long to wait for the body of a response, which only explains the status. */
const BODY_MS = 1_000;

export interface Post {
  url: URL;
  headers: Record<string, string>;
  body: string;
  signal: AbortSignal;
  /** Secrets, in addition to those in the URL, that the reply must not show. */
  secrets?: readonly (string | undefined)[];
}

/**
 * Never rejects. The outcome is `delivered` for status 2xx, `retry` without a connection and for 408, 425, 429 and 5xx,
 * and `refused` for all others, redirects included. A delivery does not wait for the body; a failure waits one second
 * for it.
 */
export function post({ url, headers, body, signal, secrets = [] }: Post): Promise<Receipt> {
  const hidden = [...secretsIn(url), ...secrets.filter((secret) => secret !== undefined)];
  const { request } = process.getBuiltinModule(url.protocol === 'https:' ? 'node:https' : 'node:http');
  const bytes = Buffer.from(body);
  return new Promise((resolve) => {
    const failed = (error: Error) => resolve({ outcome: 'retry', reply: printable(redact(failure(error), hidden)) });
    const all = { 'user-agent': 'oomscope', 'content-length': String(bytes.length), ...headers };
    // No agent, so no connection stays open: alerts are rare, and it may be dead when the next alert comes.
    const sent = request(url, { method: 'POST', agent: false, headers: all, signal }, (answer) => {
      const whole = beginningOf(answer);
      if (isDelivered(answer)) resolve(receiptOf(answer, '', hidden));
      else void whole.then((text) => resolve(receiptOf(answer, text, hidden)));
    });
    sent.on('error', failed);
    sent.end(bytes);
  });
}

/** @throws OomscopeError USAGE */
export function parseUrl(text: string, sink: string): URL {
  const problem = urlProblem(text);
  if (problem !== undefined) throw new OomscopeError('USAGE', `${sink}: ${problem}`);
  return new URL(text);
}

/**
 * @returns what is wrong with a URL; undefined when it is right. Never shows the URL, because even a mistyped one holds
 *   a secret.
 */
export function urlProblem(text: string): string | undefined {
  const url = URL.parse(text);
  const isHttp = url?.protocol === 'https:' || url?.protocol === 'http:';
  if (isHttp && url.port !== '0') return undefined;
  const got = !url ? 'something that is not a URL' : isHttp ? 'port 0' : `one that begins with ${url.protocol}`;
  return `expected a URL that begins with https:// or http://, got ${got}.`;
}

/** The URL without credentials, path and query, each of which may be a secret. */
export const publicUrl = ({ protocol, host }: URL) => `${protocol}//${host}/…`;

/** The part of the body that arrives within {@link BODY_MS}. Errors are ignored, because only the status decides. */
async function beginningOf(answer: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  const timer = setTimeout(() => answer.destroy(), BODY_MS);
  try {
    for await (const chunk of answer as AsyncIterable<Buffer>) {
      chunks.push(chunk);
      length += chunk.length;
      if (length >= MOST_REPLY) break; // destroys the response
    }
  } catch {
    // the connection ended early or timed out: keep what has arrived
  }
  clearTimeout(timer);
  return Buffer.concat(chunks).toString();
}

const isDelivered = ({ statusCode = 0 }: IncomingMessage) => statusCode >= 200 && statusCode < 300;

function receiptOf(answer: IncomingMessage, body: string, hidden: readonly string[]): Receipt {
  const { statusCode = 0, statusMessage = '', headers } = answer;
  const shown = (text: string) => printable(redact(text, hidden, true)).slice(0, SHOWN_REPLY);
  const line = shown(body.trim().split('\n')[0] ?? '');
  const reply = `${statusCode} ${shown(statusMessage)}${line === '' ? '' : ` (${line})`}`;
  if (isDelivered(answer)) return { outcome: 'delivered', reply };
  const busy = statusCode >= 500 || [408, 425, 429].includes(statusCode);
  if (!busy) return { outcome: 'refused', reply };
  const retryAfterMs = parseRetryAfter(headers['retry-after'], Date.now());
  return { outcome: 'retry', reply, ...(retryAfterMs !== undefined && { retryAfterMs }) };
}

/** @param text seconds, or a date @returns milliseconds from `nowMs`; undefined when the text is neither */
export function parseRetryAfter(text: string | undefined, nowMs: number): number | undefined {
  if (text === undefined) return undefined;
  if (/^\d+$/.test(text)) return Number(text) * 1000;
  const date = Date.parse(text);
  return Number.isNaN(date) ? undefined : Math.max(0, date - nowMs);
}

function failure(error: Error): string {
  if (error.name === 'AbortError') return 'no answer in time';
  const { code, errors } = error as NodeJS.ErrnoException & { errors?: Error[] };
  return error.message || errors?.[0]?.message || code || error.name;
}
