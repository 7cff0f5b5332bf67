/**
 * The HTTP listener of the daemon. Features add routes to it: see {@link Listener.add}.
 *
 * It runs on the thread that handles events, so it limits what clients can make it do: connections, requests a second,
 * sizes and times. A client that exceeds a limit loses its connection, and no event waits for a client.
 *
 * The token is sent in the header Authorization, never in a cookie: browsers send the cookies of 127.0.0.1 to the
 * servers at all ports, also to those of other users.
 */
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { OomscopeError } from '../model/error.ts';
import { type Address, bracketed, isLoopback, showAddress } from './address.ts';
import { type Admission, type Refusal, refusalOf } from './admission.ts';
import { bodyOf } from './body.ts';
import { Budget } from './budget.ts';
import { commonHeaders, send, sendText } from './reply.ts';
import { type ReplyRoute, type Request, type Route, RouteTable, type StreamRoute } from './route.ts';
import { StreamWatch } from './stream-watch.ts';

export interface ListenerOptions {
  address: Address;
  /** The token of the routes with `access: 'token'`. Without it, they refuse every request. */
  token?: string | undefined;
  /** Further names that clients may use for this machine. By default, on loopback only localhost and 127.0.0.1. */
  hosts?: readonly string[];
  /** Largest number of connections. Further ones are closed at once. Default 64. */
  mostConnections?: number;
  /** Largest number of responses without an end at the same time. Default 16. */
  mostStreams?: number;
  /** Requests a second, on average. Further ones get status 429. Default 100. */
  mostRequests?: number;
  /** How long a client may take to send a request, and to read a response (ms). Default 10,000. */
  requestMs?: number;
}

/** Largest header of a request (bytes). */
const MOST_HEADER_BYTES = 8192;
/** How long close() waits for responses that are being sent (ms). */
const CLOSE_MS = 500;

export class Listener implements AsyncDisposable {
  /** The address as it was asked for. */
  readonly address: Address;
  readonly #server: Server;
  readonly #admission: Admission;
  readonly #routes = new RouteTable();
  readonly #checks = new Map<string, () => string | undefined>();
  readonly #budget: Budget;
  readonly #streams: StreamWatch;
  readonly #requestMs: number;
  #url = '';
  #closing: Promise<void> | undefined;

  private constructor(options: ListenerOptions) {
    const { address, token, hosts = [], requestMs = 10_000 } = options;
    this.address = address;
    this.#admission = { loopback: isLoopback(address), hosts: hosts.map((name) => name.toLowerCase()), token };
    this.#requestMs = requestMs;
    this.#budget = new Budget(options.mostRequests ?? 100);
    this.#streams = new StreamWatch(options.mostStreams ?? 16);
    // `import` reads every export of node:http, and so loads the code of fetch, which takes 12 MB.
    const { createServer } = process.getBuiltinModule('node:http');
    this.#server = createServer({
      maxHeaderSize: MOST_HEADER_BYTES,
      headersTimeout: requestMs,
      requestTimeout: requestMs,
      keepAliveTimeout: 5_000,
      connectionsCheckingInterval: Math.min(1_000, requestMs),
    });
    this.#server.maxConnections = options.mostConnections ?? 64;
    this.#server.maxHeadersCount = 50;
    this.#server.on('request', (request, response) => this.#answer(request, response));
    this.#server.on('clientError', (_, socket) => refuseMalformed(socket as Socket));
    this.add({ path: '/healthz', access: 'open', reply: () => ({ type: 'text/plain', body: 'ok\n' }) });
    this.add({ path: '/readyz', access: 'open', reply: () => this.#readiness() });
  }

  /** @throws OomscopeError LISTEN: the port is taken, or the address is not allowed or not of this machine */
  static async open(options: ListenerOptions): Promise<Listener> {
    const listener = new Listener(options);
    await listener.#listen(options.address);
    return listener;
  }

  /** The URL without a path: "http://127.0.0.1:9836". */
  get url(): string {
    return this.#url;
  }

  /**
   * A link with the token, for the user who starts the daemon. The token is in the fragment, which browsers do not send:
   * the script of the page takes it from `location.hash`, and sends it as "Authorization: Bearer TOKEN".
   */
  link(path = '/'): string {
    const { token } = this.#admission;
    return `${this.url}${path}${token === undefined ? '' : `#token=${token}`}`;
  }

  /** Whether only processes of this machine can connect. */
  get isLoopback(): boolean {
    return this.#admission.loopback;
  }

  /** Sets the token if there is none yet. @returns the token in effect */
  requireToken(token: string): string {
    this.#admission.token ??= token;
    return this.#admission.token;
  }

  /** Adds a route. It may be added while the listener runs. @throws Error: the path has such a route, which is a bug */
  add(route: Route): void {
    this.#routes.add(route);
  }

  /**
   * Adds a condition of /readyz, which answers 503 with the reasons until every condition holds. /healthz answers 200
   * while the event loop runs.
   *
   * @param check returns why the part is not ready, as a sentence; undefined: it is ready
   */
  addReadiness(part: string, check: () => string | undefined): void {
    this.#checks.set(part, check);
  }

  /** Accepts no more connections, lets responses end for at most 500 ms, and closes all connections. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #close(): Promise<void> {
    this.#streams.close();
    const closed = new Promise<void>((resolve) => {
      this.#server.close(() => resolve());
    });
    this.#server.closeIdleConnections();
    const late = setTimeout(() => this.#server.closeAllConnections(), CLOSE_MS);
    await closed;
    clearTimeout(late);
  }

  #listen(address: Address): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', (error) => reject(listenError(error as NodeJS.ErrnoException, address)));
      this.#server.listen({ host: address.host, port: address.port, backlog: 64 }, () => {
        const { port } = this.#server.address() as AddressInfo;
        this.#url = `http://${bracketed(address.host)}:${port}`;
        this.#server.removeAllListeners('error');
        // Out of file descriptors: the client sees a closed connection, and the daemon goes on.
        this.#server.on('error', () => {});
        resolve();
      });
    });
  }

  #readiness() {
    const reasons = [...this.#checks].flatMap(([part, check]) => {
      const reason = check();
      return reason === undefined ? [] : [`${part}: ${reason}\n`];
    });
    return { status: reasons.length === 0 ? 200 : 503, type: 'text/plain', body: reasons.join('') || 'ready\n' };
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    for (const [name, value] of Object.entries(commonHeaders)) response.setHeader(name, value);
    const admitted = this.#admit(request);
    if ('route' in admitted) void this.#serve(admitted, request, response);
    else refuse(response, admitted);
  }

  #admit({ url = '', method: given = '', headers, rawHeaders }: IncomingMessage): Refusal | Admitted {
    if (this.#closing) return { status: 503, message: 'The server is closing.' };
    if (!this.#budget.take()) return tryLater(429, 'Too many requests.', 1);
    const parsed = url.startsWith('/') ? URL.parse(`http://host${url}`) : null;
    if (!parsed) return { status: 400, message: 'Expected a path that begins with "/".' };
    const path = url.split(/[?#]/, 1)[0] as string;
    const method = given === 'HEAD' ? 'GET' : given;
    const routes = this.#routes.at(path);
    const route = routes.find((each) => (each.method ?? 'GET') === method);
    const refusal = refusalOf({ headers, rawHeaders }, route?.access ?? 'open', this.#admission);
    if (refusal) return refusal;
    if (routes.length === 0)
      return { status: 404, message: `There is no such page. Expected one of ${this.#routes.paths.join(', ')}.` };
    const allowed = routes.map((each) => (each.method === 'POST' ? 'POST' : 'GET, HEAD')).join(', ');
    if (!route) return { status: 405, message: `Expected ${allowed}.`, headers: { Allow: allowed } };
    return { route, request: { method: method as 'GET' | 'POST', path, query: parsed.searchParams, headers } };
  }

  async #serve({ route, request: head }: Admitted, request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      const body = await bodyOf(request, 'stream' in route ? 0 : (route.mostBodyBytes ?? 0));
      if (typeof body === 'string') sendText(response, 413, body);
      else if (body && 'stream' in route) this.#stream(route, { ...head, body }, response);
      else if (body && 'reply' in route) await this.#reply(route, { ...head, body }, response);
    } catch {
      // The reason may have names of files or other secrets.
      if (response.headersSent) response.destroy();
      else sendText(response, 500, 'The server failed to answer.');
    }
  }

  async #reply(route: ReplyRoute, request: Request, response: ServerResponse): Promise<void> {
    const deadline = setTimeout(() => response.destroy(), this.#requestMs).unref();
    response.once('close', () => clearTimeout(deadline));
    send(response, await route.reply(request));
  }

  #stream(route: StreamRoute, request: Request, response: ServerResponse): void {
    if (response.req.method === 'HEAD') sendText(response, 405, 'Expected GET.', { Allow: 'GET' });
    else if (this.#streams.add(response)) route.stream(request, response);
    else refuse(response, tryLater(503, 'Too many streams.', 10));
  }
}

/** A request that a route answers, without its body. */
interface Admitted {
  route: Route;
  request: Omit<Request, 'body'>;
}

const refuse = (response: ServerResponse, { status, message, headers }: Refusal) =>
  sendText(response, status, message, headers);

const tryLater = (status: 429 | 503, message: string, seconds: number): Refusal => ({
  status,
  message,
  headers: { 'Retry-After': String(seconds) },
});

function listenError(error: NodeJS.ErrnoException, address: Address): OomscopeError {
  return new OomscopeError('LISTEN', `Cannot listen on ${showAddress(address)}: ${reasonOf(error, address)}`, {
    cause: error,
  });
}

function reasonOf({ code, message }: NodeJS.ErrnoException, { host, port }: Address): string {
  switch (code) {
    case 'EADDRINUSE':
      return `another program listens on port ${port}. Choose another port, or end that program: "ss -tlnp" names it.`;
    case 'EADDRNOTAVAIL':
      return `${host} is not an address of this machine. "ip addr" lists its addresses.`;
    case 'EACCES':
      return `this process may not use port ${port}. Choose a port from 1024, or give it CAP_NET_BIND_SERVICE.`;
    case 'EAFNOSUPPORT':
      return 'this machine has no IPv6. Use an IPv4 address.';
    default:
      return `${message}.`;
  }
}

/** Answers what the parser of HTTP rejects, too large headers and requests that take too long, and closes the connection. */
function refuseMalformed(socket: Socket): void {
  if (socket.writable && socket.bytesWritten === 0)
    socket.end('HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n');
  socket.destroySoon();
}
