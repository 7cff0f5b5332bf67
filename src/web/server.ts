/** Adds the page and what it asks for to an HTTP listener. Nothing but the page itself is sent without the token. */
import type { ServerResponse } from 'node:http';
import type { HistoryReader } from '../history/reader.ts';
import type { Listener } from '../http/listener.ts';
import type { Reply, Request } from '../http/route.ts';
import { type ErrorCode, OomscopeError } from '../model/error.ts';
import type { Event } from '../model/events.ts';
import type { Recent } from './recent.ts';
import { bucketOf, filterOf, kindsOf, limitOf, referenceOf } from './request.ts';
import type { About, FleetNow, ListRow, Machine, Now } from './wire.ts';

/** What the event `now` has, and which browsers want it. */
export interface Figures {
  /** The last minutes of the machine. */
  past: Machine[];
  /** Tells that a browser is connected. @returns what ends it */
  listen: () => () => void;
  /** The first message for a browser. */
  whole: () => Now | FleetNow;
}

export interface WebOptions {
  /** The page, as the build made it. */
  page: string;
  live: Figures;
  recent: Recent;
  /** undefined: no history is kept. */
  reader: HistoryReader | undefined;
  about: () => Omit<About, 'past' | 'history'>;
}

/** Events that a browser gets again after it was away. */
const MOST_REPLAYED = 200;

export class WebServer {
  readonly #options: WebOptions;
  readonly #streams = new Map<ServerResponse, () => void>();

  constructor(options: WebOptions) {
    this.#options = options;
  }

  addTo(listener: Listener): void {
    const policy = `${/http-equiv="Content-Security-Policy" content="([^"]*)"/.exec(this.#options.page)?.[1]}; frame-ancestors 'none'`;
    const page = Buffer.from(this.#options.page);
    const headers = { 'Content-Security-Policy': policy };
    listener.add({
      path: '/',
      access: 'open',
      reply: () => ({ type: 'text/html; charset=utf-8', body: page, headers }),
    });
    const add = (path: string, answer: (request: Request) => Promise<string> | string) =>
      listener.add({ path, access: 'token', reply: (request) => replyOf(() => answer(request)) });
    add('/api/about', () => JSON.stringify(this.#about()));
    add('/api/list', ({ query }) => this.#list(query));
    add('/api/story', ({ query }) => this.#story(query));
    add('/api/stats', ({ query }) => this.#stats(query));
    listener.add({
      path: '/api/stream',
      access: 'token',
      stream: (request, response) => this.#stream(request, response),
    });
  }

  /** Sends an event to the browsers, and keeps it for those that are away for a moment. */
  take(event: Event): void {
    const row = this.#options.recent.take(event);
    if (row) this.sendRow(row);
  }

  sendRow(row: ListRow): void {
    if (this.#streams.size === 0) return;
    const text = rowMessage(row);
    for (const response of this.#streams.keys()) response.write(text);
  }

  /** Sends figures. A browser that has not read the last ones yet does not get these. */
  sendNow(now: Now | FleetNow): void {
    const text = `event: now\ndata: ${JSON.stringify(now)}\n\n`;
    for (const response of this.#streams.keys()) if (!response.writableNeedDrain) response.write(text);
  }

  get clients(): number {
    return this.#streams.size;
  }

  #about(): About {
    const { about, live, reader } = this.#options;
    return { ...about(), history: reader !== undefined, past: live.past };
  }

  #list(query: URLSearchParams): Promise<string> | string {
    const { reader, recent } = this.#options;
    const limit = limitOf(query);
    if (reader) return reader.ask({ ask: 'list', filter: filterOf(query), limit });
    return JSON.stringify(recent.list(kindsOf(query), limit));
  }

  #story(query: URLSearchParams): Promise<string> | string {
    const { reader, recent } = this.#options;
    const reference = referenceOf(query);
    return reader ? reader.ask({ ask: 'story', reference }) : JSON.stringify(recent.story(reference));
  }

  #stats(query: URLSearchParams): Promise<string> | string {
    const { reader } = this.#options;
    if (!reader) return JSON.stringify({ sums: [], extent: null });
    return reader.ask({ ask: 'stats', by: bucketOf(query), filter: filterOf(query), limit: limitOf(query) });
  }

  #stream({ headers }: Request, response: ServerResponse): void {
    const { live, recent } = this.#options;
    response.writeHead(200, { 'Content-Type': 'text/event-stream; charset=utf-8', 'X-Accel-Buffering': 'no' });
    const ends = live.listen();
    this.#streams.set(response, ends);
    response.once('close', () => {
      this.#streams.delete(response);
      ends();
    });
    response.write(`event: now\ndata: ${JSON.stringify(live.whole())}\n\n`);
    const last = headers['last-event-id'];
    if (typeof last !== 'string' || last === '' || last.length > 200) return;
    const missed = recent.after(last);
    if (missed) for (const row of missed.slice(-MOST_REPLAYED)) response.write(rowMessage(row));
    else void this.#replay(last, response);
  }

  /** What a browser missed that was away for longer, or while the daemon was started again. */
  async #replay(last: string, response: ServerResponse): Promise<void> {
    const { reader } = this.#options;
    try {
      const json = await reader?.ask({ ask: 'after', id: last, limit: MOST_REPLAYED });
      for (const row of (JSON.parse(json ?? 'null') ?? []) as ListRow[]) response.write(rowMessage(row));
    } catch {} // The page lists the history again by itself.
  }
}

/** Line feeds would end a message: JSON has none. */
const rowMessage = (row: ListRow) =>
  `id: ${row.id.replace(/[\r\n]/g, '')}\nevent: row\ndata: ${JSON.stringify(row)}\n\n`;

const statuses: Partial<Record<ErrorCode, number>> = { USAGE: 400, NO_ENTRY: 404 };

async function replyOf(answer: () => Promise<string> | string): Promise<Reply> {
  try {
    return { type: 'application/json', body: await answer() };
  } catch (error) {
    if (!(error instanceof OomscopeError)) throw error;
    const body = JSON.stringify({ problem: error.message });
    return { status: statuses[error.code] ?? 503, type: 'application/json', body };
  }
}
