/** The section [otlp]. */
import { readSecret, type Secret } from '../alerts/secret.ts';
import { endpointOf, headersOf, type OtlpOptions } from '../otlp/endpoint.ts';
import { printable } from '../text/printable.ts';
import { writeDuration, writeSize } from '../text/units.ts';
import {
  choice,
  durationFrom,
  field,
  list,
  needed,
  optional,
  type Shape,
  sizeFrom,
  table,
  text,
  yesOrNo,
} from './shape.ts';
import type { Fields } from './toml-text.ts';

const fields = table({
  endpoint: needed(text, 'the receiver, without /v1/logs: "http://127.0.0.1:4318"'),
  protocol: field(choice('http/protobuf', 'http/json'), 'http/protobuf', 'encoding of the requests'),
  logs: field(yesOrNo, true, 'send events as logs; without command lines'),
  events: field(list(text), [], 'types of events to send, with * and ?; an empty list means all'),
  metrics: field(yesOrNo, true, 'send the metrics'),
  every: field(durationFrom(1000), 60_000, 'interval of the metrics'),
  gzip: field(yesOrNo, true, 'compress requests'),
  headers_env: optional(text, 'further headers, "name=value,name=value", taken from this environment variable'),
  headers_file: optional(text, 'the same, read from this file'),
  spool: optional(text, 'keep undelivered logs in this directory, also across restarts'),
  spool_size: optional(sizeFrom(64 * 1024, 2 ** 40), 'limit of the spool; drops the oldest first (default: 64M)'),
  timeout: field(durationFrom(1, 3_600_000), 10_000, 'timeout of one request'),
});

type Given = NonNullable<ReturnType<typeof fields.read>>;

/** The values of `[otlp]`, with the place of the headers, which are a secret. */
export type OtlpConfig = Given;

export const otlpShape: Shape<OtlpConfig> = {
  schema: fields.schema,
  read(value, path, faults) {
    const given = fields.read(value, path, faults);
    if (!given) return undefined;
    if (given.headers_env !== undefined && given.headers_file !== undefined)
      return faults.add(path, 'expected one of headers_env and headers_file, got both.');
    if (!given.logs && !given.metrics) return faults.add(path, 'there is nothing to send: logs and metrics are off.');
    try {
      endpointOf(given.endpoint, 'logs');
    } catch (error) {
      return faults.add(`${path}.endpoint`, (error as Error).message.replace(/^otlp: /, ''));
    }
    return given;
  },
};

/** The options of the exporter, with the headers read. @throws OomscopeError USAGE */
export function otlpOptions({
  headers_env,
  headers_file,
  every,
  spool_size,
  timeout,
  ...rest
}: OtlpConfig): OtlpOptions {
  const place: Secret | undefined =
    headers_env !== undefined ? { env: headers_env } : headers_file === undefined ? undefined : { file: headers_file };
  const headers = place && readSecret(place, 'otlp headers');
  headersOf(headers, ` in ${printable(headers_env ?? headers_file ?? '')}`);
  return { ...rest, headers, everyMs: every, spoolBytes: spool_size, timeoutMs: timeout };
}

export const otlpFields = ({ every, timeout, spool_size, ...rest }: OtlpConfig): Fields => ({
  ...rest,
  every: writeDuration(every),
  timeout: writeDuration(timeout),
  spool_size: spool_size === undefined ? undefined : writeSize(spool_size),
});
