/**
 * A small client of the Kubernetes API. It loads node:https with getBuiltinModule(), for the reason that
 * src/alerts/sinks/http.ts gives. Answers of the server are bounded in size and depth.
 */
import type { Agent, IncomingMessage } from 'node:http';
import { OomscopeError } from '../model/error.ts';
import { parseForeignJson } from '../text/foreign-json.ts';
import { printable } from '../text/printable.ts';
import { VERSION } from '../version.ts';
import type { Access } from './access.ts';
import { Credentials, type TlsFiles } from './credentials.ts';
import { number, record, text } from './foreign.ts';
import { proxyFor, tunnelAgent } from './proxy.ts';

/** The server refused a request, or could not be reached. */
export class ApiError extends Error {
  override readonly name = 'ApiError';
  /** The HTTP status; 0: there was no answer. */
  readonly status: number;
  /** `reason` of the Status object: "Forbidden", "AlreadyExists", "Expired"; empty: there is none. */
  readonly reason: string;
  /** How long to wait before the next request (ms). */
  readonly retryAfterMs: number | undefined;

  constructor(
    status: number,
    message: string,
    { reason = '', retryAfterMs }: { reason?: string; retryAfterMs?: number | undefined } = {},
  ) {
    super(message);
    this.status = status;
    this.reason = reason;
    this.retryAfterMs = retryAfterMs;
  }

  /** Whether the same request may succeed later. */
  get isPassing(): boolean {
    return this.status === 0 || this.status === 408 || this.status === 429 || this.status >= 500;
  }
}

export interface RequestOptions {
  method?: 'GET' | 'POST' | 'PATCH';
  body?: object;
  signal?: AbortSignal | undefined;
  /** Default 15 s. */
  timeoutMs?: number;
  /** A longer answer is an error. Default 16 MiB. */
  mostBytes?: number;
  /** How many values the JSON of an answer may have. Default 500,000. */
  mostValues?: number;
}

export interface ClientOptions {
  env?: NodeJS.ProcessEnv;
  /** Whether the program that a kubeconfig names for credentials may be run. Default false. */
  allowExec?: boolean;
}

const TIMEOUT_MS = 15_000;
const MOST_BYTES = 16 * 2 ** 20;
const MOST_VALUES = 500_000;
/** etcd takes objects of up to 1.5 MiB; JSON of a watch may be somewhat larger. */
const LONGEST_LINE = 8 * 2 ** 20;
const MOST_RETRY_AFTER_MS = 600_000;

export class KubernetesClient {
  readonly access: Access;
  /** How many requests were sent, by kind; a watch counts once. */
  requests = 0;
  readonly #credentials: Credentials;
  readonly #proxy: URL | undefined;
  #agent: { agent: Agent; files: TlsFiles } | undefined;

  constructor(access: Access, { env = process.env, allowExec = false }: ClientOptions = {}) {
    this.access = access;
    this.#credentials = new Credentials(access, allowExec);
    this.#proxy = access.proxy ?? proxyFor(access.server, env);
  }

  /**
   * Sends a request and returns the object of the answer.
   *
   * @throws ApiError: the server refused it or did not answer; OomscopeError KUBERNETES: there are no credentials
   */
  async request(path: string, options: RequestOptions = {}): Promise<Record<string, unknown>> {
    const { timeoutMs = TIMEOUT_MS, mostBytes = MOST_BYTES, mostValues = MOST_VALUES } = options;
    const timeout = new AbortController();
    const timer = setTimeout(() => timeout.abort(), timeoutMs);
    const end = () => timeout.abort();
    options.signal?.addEventListener('abort', end, { once: true });
    try {
      const answer = await this.#send(path, options, timeout.signal);
      return record(parseAnswer(await bodyOf(answer, mostBytes), mostValues));
    } catch (error) {
      throw this.#asApiError(error as Error, timeout.signal.aborted && options.signal?.aborted !== true);
    } finally {
      clearTimeout(timer);
      options.signal?.removeEventListener('abort', end);
    }
  }

  /**
   * Calls `onLine` with each line of an answer, until the server or `signal` ends it.
   *
   * @param idleMs the connection is given up when nothing arrives for this time
   * @throws the errors of request(), and what `onLine` throws
   */
  async lines(path: string, signal: AbortSignal, idleMs: number, onLine: (line: string) => void): Promise<void> {
    let answer: IncomingMessage;
    try {
      answer = await this.#send(path, {}, signal);
    } catch (error) {
      throw this.#asApiError(error as Error, false);
    }
    answer.setTimeout(idleMs, () => answer.destroy(new Error(`nothing arrived for ${idleMs / 1000} s`)));
    try {
      await eachLine(answer, onLine);
    } catch (error) {
      throw this.#asApiError(error as Error, false);
    }
  }

  close(): void {
    this.#agent?.agent.destroy();
  }

  async #send(path: string, options: RequestOptions, signal: AbortSignal): Promise<IncomingMessage> {
    const first = await this.#attempt(path, options, signal);
    if (first.statusCode !== 401) return accepted(first);
    // The token has expired, and the file may have a new one by now.
    if (!this.#credentials.expire()) return accepted(first);
    first.resume();
    return accepted(await this.#attempt(path, options, signal));
  }

  async #attempt(
    path: string,
    { method = 'GET', body }: RequestOptions,
    signal: AbortSignal,
  ): Promise<IncomingMessage> {
    const token = await this.#credentials.token();
    const { server, serverName } = this.access;
    const { request } = process.getBuiltinModule(server.protocol === 'https:' ? 'node:https' : 'node:http');
    const bytes = body === undefined ? undefined : Buffer.from(JSON.stringify(body));
    const type = method === 'PATCH' ? 'application/strategic-merge-patch+json' : 'application/json';
    const headers = {
      ...{ accept: 'application/json', 'user-agent': `oomscope/${VERSION}` },
      ...(bytes && { 'content-type': type, 'content-length': String(bytes.length) }),
      ...(token !== undefined && token !== '' && { authorization: `Bearer ${token}` }),
    };
    const url = new URL(`${server.pathname.replace(/\/$/, '')}${path}`, server);
    const secure = serverName === undefined ? {} : { servername: serverName };
    this.requests++;
    return new Promise((resolve, reject) => {
      const sent = request(url, { method, headers, agent: this.#currentAgent(), signal, ...secure }, resolve);
      sent.on('error', reject);
      sent.end(bytes);
    });
  }

  /** The agent keeps connections open. A new certificate authority or client certificate needs a new agent. */
  #currentAgent(): Agent {
    const isSecure = this.access.server.protocol === 'https:';
    const files = isSecure ? this.#credentials.tls() : {};
    const known = this.#agent;
    if (known && known.files.ca === files.ca && known.files.cert === files.cert && known.files.key === files.key)
      return known.agent;
    const options = {
      ...{ keepAlive: true, keepAliveMsecs: 30_000, maxSockets: 4, ...files },
      rejectUnauthorized: !this.access.insecure,
    };
    const { Agent: Plain } = process.getBuiltinModule('node:http');
    const { Agent: Secure } = process.getBuiltinModule('node:https');
    const agent = !isSecure
      ? new Plain(options)
      : this.#proxy
        ? tunnelAgent(this.#proxy, options)
        : new Secure(options);
    this.#agent = { agent, files };
    return agent;
  }

  #asApiError(error: Error, isLate: boolean): Error {
    if (error instanceof ApiError || error instanceof OomscopeError) return error;
    const { code = '' } = error as NodeJS.ErrnoException;
    if (/CERT|SSL|TLS/.test(code)) this.#credentials.expire(); // the authority may have been replaced
    const why = isLate ? 'no answer in time' : printable(error.message || code || error.name);
    return new ApiError(0, `${this.access.server.host}: ${why}`);
  }
}

/** @throws ApiError, with what the server says */
async function accepted(answer: IncomingMessage): Promise<IncomingMessage> {
  const { statusCode = 0, headers } = answer;
  if (statusCode >= 200 && statusCode <= 299) return answer;
  const body = await bodyOf(answer, 65_536).catch(() => '');
  let status: Record<string, unknown> = {};
  try {
    status = record(parseForeignJson(body));
  } catch {
    // not from the API server, but from a proxy in front of it
  }
  const said = text(status.message) ?? body.trim().split('\n')[0] ?? '';
  const seconds = /^\d+$/.test(headers['retry-after'] ?? '')
    ? Number(headers['retry-after'])
    : number(record(status.details).retryAfterSeconds);
  throw new ApiError(statusCode, `${statusCode} ${printable(said).slice(0, 500)}`.trim(), {
    reason: text(status.reason) ?? '',
    retryAfterMs: seconds === null ? undefined : Math.min(seconds * 1000, MOST_RETRY_AFTER_MS),
  });
}

async function bodyOf(answer: IncomingMessage, mostBytes: number): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of answer as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > mostBytes) throw new Error(`an answer of more than ${mostBytes} bytes`); // destroys the answer
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

function parseAnswer(body: string, values: number): unknown {
  try {
    return parseForeignJson(body, { values });
  } catch (error) {
    throw new Error(`an answer that is not JSON, or too much of it: ${(error as Error).message}`);
  }
}

async function eachLine(answer: IncomingMessage, onLine: (line: string) => void): Promise<void> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const chunk of answer as AsyncIterable<Buffer>) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n');
    rest = lines.pop() ?? '';
    if (rest.length > LONGEST_LINE) throw new Error(`a line of more than ${LONGEST_LINE} characters`);
    for (const line of lines) if (line.trim() !== '') onLine(line);
  }
}
