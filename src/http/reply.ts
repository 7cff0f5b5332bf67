/** Writes responses. */
import type { ServerResponse } from 'node:http';
import type { Reply } from './route.ts';

/** The headers of every response. A page replaces the policy by one that allows its own script. */
export const commonHeaders = {
  'Cache-Control': 'no-store',
  'Content-Security-Policy': "default-src 'none'; frame-ancestors 'none'",
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Referrer-Policy': 'no-referrer',
  'X-Content-Type-Options': 'nosniff',
} as const;

export function send(response: ServerResponse, { status = 200, type, body, headers = {} }: Reply): void {
  const bytes = typeof body === 'string' ? Buffer.from(body) : body;
  response.writeHead(status, { ...headers, 'Content-Type': type, 'Content-Length': bytes.length });
  response.end(response.req.method === 'HEAD' ? undefined : bytes);
}

/** Sends a sentence to a client that gets nothing else, and closes the connection. */
export function sendText(
  response: ServerResponse,
  status: number,
  sentence: string,
  headers: Readonly<Record<string, string>> = {},
): void {
  const type = 'text/plain; charset=utf-8';
  send(response, { status, type, body: `${sentence}\n`, headers: { ...headers, Connection: 'close' } });
}
