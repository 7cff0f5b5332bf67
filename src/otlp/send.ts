/** One request of OTLP/HTTP, and its outcome by the specification. */
import type { IncomingMessage } from 'node:http';
import { parseRetryAfter } from '../alerts/sinks/http.ts';
import { redact, secretsIn } from '../alerts/sinks/redact.ts';
import { printable } from '../text/printable.ts';
import { encode, partialSuccess } from './protobuf.ts';
import type { Message } from './schema.ts';

export interface OtlpTarget {
  /** The URL with the path /v1/logs or /v1/metrics. */
  url: URL;
  protocol: 'http/protobuf' | 'http/json';
  gzip: boolean;
  headers: Readonly<Record<string, string>>;
  timeoutMs: number;
}

/**
 * - `accepted`: the receiver has the request; `rejected` of its records it did not take, and they are not sent again.
 * - `retry`: status 429, 502, 503 or 504, or no connection.
 * - `refused`: every other status. The same request would fail again.
 */
export interface Outcome {
  outcome: 'accepted' | 'retry' | 'refused';
  rejected: number;
  /** Safe to print. */
  reply: string;
  retryAfterMs?: number | undefined;
}

const MOST_REPLY = 64 * 1024;
const RETRIED = [429, 502, 503, 504];

/** Never rejects. */
export async function sendOtlp(
  target: OtlpTarget,
  message: Message,
  value: object,
  signal: AbortSignal,
): Promise<Outcome> {
  const { url, protocol, gzip, headers, timeoutMs } = target;
  const plain = protocol === 'http/json' ? Buffer.from(JSON.stringify(value)) : encode(message, value);
  const body = gzip ? process.getBuiltinModule('node:zlib').gzipSync(plain) : plain;
  const all = {
    'user-agent': 'oomscope',
    'content-type': protocol === 'http/json' ? 'application/json' : 'application/x-protobuf',
    'content-length': String(body.length),
    ...(gzip && { 'content-encoding': 'gzip' }),
    ...headers,
  };
  const hidden = [...secretsIn(url), ...Object.values(headers)];
  const shown = (text: string) => printable(redact(text, hidden, true)).slice(0, 200);
  const { request } = process.getBuiltinModule(url.protocol === 'https:' ? 'node:https' : 'node:http');
  return new Promise((resolve) => {
    const ending = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]);
    const failed = (error: Error) => {
      const reply = error.name === 'AbortError' || error.name === 'TimeoutError' ? 'no answer in time' : error.message;
      resolve({ outcome: 'retry', rejected: 0, reply: shown(reply || error.name) });
    };
    const sent = request(url, { method: 'POST', agent: false, headers: all, signal: ending }, (answer) => {
      readReply(answer).then((reply) => resolve(outcomeOf(answer, reply, protocol, shown)), failed);
    });
    sent.on('error', failed);
    sent.end(body);
  });
}

async function readReply(answer: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of answer as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    length += chunk.length;
    if (length >= MOST_REPLY) break;
  }
  return Buffer.concat(chunks);
}

function outcomeOf(
  { statusCode = 0, headers }: IncomingMessage,
  reply: Buffer,
  protocol: OtlpTarget['protocol'],
  shown: (text: string) => string,
): Outcome {
  if (statusCode >= 200 && statusCode < 300) {
    const { rejected, message } = (protocol === 'http/json' ? fromJson(reply) : partialSuccess(reply)) ?? NONE;
    return { outcome: 'accepted', rejected, reply: shown(`${statusCode} ${message}`.trim()) };
  }
  const text = headers['content-type']?.includes('protobuf') ? '' : (reply.toString().split('\n')[0] ?? '');
  const retryAfterMs = parseRetryAfter(headers['retry-after'], Date.now());
  const outcome = RETRIED.includes(statusCode) ? 'retry' : 'refused';
  return { outcome, rejected: 0, reply: shown(`${statusCode} ${text}`.trim()), retryAfterMs };
}

const NONE = { rejected: 0, message: '' };

function fromJson(reply: Buffer): { rejected: number; message: string } | undefined {
  try {
    const { partialSuccess: partial = {} } = JSON.parse(reply.toString()) as {
      partialSuccess?: Record<string, unknown>;
    };
    const rejected = Number(partial.rejectedLogRecords ?? partial.rejectedDataPoints ?? 0);
    return { rejected: Number.isFinite(rejected) ? rejected : 0, message: String(partial.errorMessage ?? '') };
  } catch {
    return undefined;
  }
}
