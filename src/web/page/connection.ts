/**
 * Talks to the server. The token is in the fragment of the link, which browsers do not send; it stays in this tab's storage
 * and goes into a header, which other pages cannot send.
 */
import type { FleetNow, ListRow, Now } from '../wire.ts';
import { web } from './browser.ts';

const KEY = 'oomscope-token';

/** Takes the token out of the address, so that it is not in the history of the browser. */
export function takeToken(): void {
  const [, token] = /^#token=([\w.~+/=-]+)$/.exec(web.location.hash) ?? [];
  if (token === undefined) return;
  setToken(token);
  web.history.replaceState(null, '', '#/now');
}

export const setToken = (token: string): void => web.sessionStorage.setItem(KEY, token.trim());

const headers = (): Record<string, string> => ({ Authorization: `Bearer ${web.sessionStorage.getItem(KEY) ?? ''}` });

/** The server wants a token, or another one. */
export class Unauthorized extends Error {}

/** @throws Unauthorized; Error with a sentence for the user */
export async function get<T>(path: string, parameters: Record<string, string> = {}): Promise<T> {
  const given = Object.entries(parameters).filter(([, value]) => value !== '');
  const query = given.length === 0 ? '' : `?${new URLSearchParams(given)}`;
  const response = await fetch(`${path}${query}`, { headers: headers(), cache: 'no-store' });
  if (response.status === 401) throw new Unauthorized('The token is missing or wrong.');
  const type = response.headers.get('content-type') ?? '';
  const body: unknown = type.startsWith('application/json') ? await response.json() : await response.text();
  if (response.ok) return body as T;
  throw new Error((body as { problem?: string }).problem ?? String(body));
}

export interface StreamHandlers {
  onNow: (now: Now | FleetNow) => void;
  onRow: (row: ListRow) => void;
  /** The state of the connection. */
  onState: (state: 'live' | 'lost' | 'unauthorized') => void;
}

/** Longest pause before the next attempt (ms). */
const LONGEST_MS = 10_000;

/** Follows the stream of events for as long as the page is open. */
export async function follow(handlers: StreamHandlers): Promise<void> {
  let last = '';
  for (let pauseMs = 1000; ; pauseMs = Math.min(LONGEST_MS, pauseMs * 2)) {
    try {
      const more = last === '' ? {} : { 'Last-Event-ID': last };
      const response = await fetch('/api/stream', { headers: { ...headers(), ...more }, cache: 'no-store' });
      if (response.status === 401) {
        handlers.onState('unauthorized');
        return;
      }
      if (response.ok && response.body) {
        handlers.onState('live');
        pauseMs = 500;
        await read(response.body, handlers, (id) => {
          last = id;
        });
      }
    } catch {} // the server is gone: the next attempt follows
    handlers.onState('lost');
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
  }
}

async function read(
  body: ReadableStream<Uint8Array>,
  handlers: StreamHandlers,
  onId: (id: string) => void,
): Promise<void> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let rest = '';
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const messages = (rest + decoder.decode(value, { stream: true })).split('\n\n');
    rest = messages.pop() ?? '';
    for (const message of messages) {
      const fields = new Map(message.split('\n').map((line) => line.split(/: (.*)/s, 2) as [string, string]));
      const data: unknown = JSON.parse(fields.get('data') ?? 'null');
      const id = fields.get('id');
      if (fields.get('event') === 'now') handlers.onNow(data as Now | FleetNow);
      else handlers.onRow(data as ListRow);
      if (id !== undefined) onId(id);
    }
  }
}
