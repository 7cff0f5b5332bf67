/** The options of the exporter, and what follows from them. */
import { OomscopeError } from '../model/error.ts';

export interface OtlpOptions {
  /** The address of the receiver, without /v1/logs: http://127.0.0.1:4318. */
  endpoint: string;
  protocol?: 'http/protobuf' | 'http/json' | undefined;
  /** Whether to send events as logs, and which: globs of their types. Default: all. */
  logs?: boolean | undefined;
  events?: readonly string[] | undefined;
  /** Whether to send metrics, and how often (ms). Default: 60,000. */
  metrics?: boolean | undefined;
  everyMs?: number | undefined;
  gzip?: boolean | undefined;
  /** "name=value,name=value", with percent-encoding, as OTEL_EXPORTER_OTLP_HEADERS has them. */
  headers?: string | undefined;
  spool?: string | undefined;
  spoolBytes?: number | undefined;
  timeoutMs?: number | undefined;
}

/** @throws OomscopeError USAGE, without the URL, which may have a secret */
export function endpointOf(text: string, signal: 'logs' | 'metrics'): URL {
  const url = URL.parse(text);
  const [signalPath] = /\/v1\/(?:logs|metrics|traces)\/*$/.exec(url?.pathname ?? '') ?? [];
  if (signalPath !== undefined)
    throw new OomscopeError('USAGE', `otlp: expected an endpoint without ${signalPath}, which oomscope adds.`);
  if (url && (url.protocol === 'http:' || url.protocol === 'https:') && url.port !== '0') {
    url.pathname = `${url.pathname.replace(/\/+$/, '')}/v1/${signal}`;
    return url;
  }
  throw new OomscopeError('USAGE', 'otlp: expected an endpoint such as "http://127.0.0.1:4318".');
}

/** @param place where the text is from, for the message: " in FILE". @throws OomscopeError USAGE, without the text */
export function headersOf(text = '', place = ''): Record<string, string> {
  const wrong = () => new OomscopeError('USAGE', `otlp headers${place}: expected "name=value,name=value".`);
  const pairs = text.split(',').flatMap((pair) => {
    if (pair.trim() === '') return [];
    const [, name = '', value = ''] = /^\s*([\w!#$%&'*+.^`|~-]+)\s*=\s*([\x20-\x7e]*?)\s*$/.exec(pair) ?? [];
    if (name === '') throw wrong();
    try {
      return [[name.toLowerCase(), decodeURIComponent(value)]];
    } catch {
      throw wrong();
    }
  });
  return Object.fromEntries(pairs);
}
