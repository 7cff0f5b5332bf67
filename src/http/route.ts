/** What a feature adds to a listener: a path, and the code that answers requests to it. */
import type { IncomingHttpHeaders, ServerResponse } from 'node:http';

/** A request that was admitted. */
export interface Request {
  method: 'GET' | 'POST';
  /** The path as the client sent it, without the query; never decoded. */
  path: string;
  query: URLSearchParams;
  headers: IncomingHttpHeaders;
  /** At most `mostBodyBytes` of the route. Empty for GET. */
  body: Buffer;
}

export interface Reply {
  /** Default 200. */
  status?: number;
  /** The Content-Type. */
  type: string;
  body: string | Buffer;
  /** Further headers. They replace those that every response has: see `commonHeaders`. */
  headers?: Readonly<Record<string, string>>;
}

interface AnyRoute {
  /** "/metrics", or "/api/*" for every path that begins with "/api/". The longest matching path decides. */
  path: string;
  /** Default GET. A route for GET also answers HEAD. */
  method?: 'GET' | 'POST';
  /**
   * `token`: the request must have the header "Authorization: Bearer TOKEN". `open`: anybody who can connect gets an
   * answer, so the answer must have no command lines and no names of files.
   */
  access: 'open' | 'token';
}

/** A route that answers at once, or after a short time. */
export interface ReplyRoute extends AnyRoute {
  /** The longest body (bytes). Default 0: a request with a body is refused. */
  mostBodyBytes?: number;
  /**
   * Runs on the thread that handles events: it may take at most some milliseconds before it returns or waits. If it
   * throws, the client gets status 500 without the reason.
   */
  reply: (request: Request) => Reply | Promise<Reply>;
}

/** A route whose response has no end, such as server-sent events. */
export interface StreamRoute extends AnyRoute {
  /**
   * Sends the head and everything that follows. The response emits `close` when the client is gone, when the listener
   * closes, or when the client does not read: more than 1 MiB waits, or nothing was read for 30 s.
   */
  stream: (request: Request, response: ServerResponse) => void;
}

export type Route = ReplyRoute | StreamRoute;

/** The routes of one listener. */
export class RouteTable {
  readonly #routes = new Map<string, Route[]>();

  /** @throws Error: there is such a route already, which is a bug */
  add(route: Route): void {
    const same = this.#routes.get(route.path) ?? [];
    if (same.some(({ method }) => method === route.method)) throw new Error(`two routes for ${route.path}`);
    this.#routes.set(route.path, [...same, route]);
  }

  /** The paths that a browser or a scraper can ask for, for a hint; without those that stand for many. */
  get paths(): string[] {
    const all = [...this.#routes.values()]
      .flat()
      .filter(({ path, method = 'GET' }) => method === 'GET' && !path.endsWith('*'));
    return all.map(({ path }) => path).sort();
  }

  /** The routes of the path, one for each method; empty: there is none. */
  at(path: string): readonly Route[] {
    const exact = this.#routes.get(path);
    if (exact) return exact;
    for (let end = path.lastIndexOf('/'); end >= 0; end = end === 0 ? -1 : path.lastIndexOf('/', end - 1)) {
      const found = this.#routes.get(`${path.slice(0, end)}/*`);
      if (found) return found;
    }
    return [];
  }
}
