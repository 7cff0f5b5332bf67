/** The section [metrics]. */
import { isLoopback, parseAddress } from '../http/address.ts';
import { checkTextfile } from '../metrics/textfile.ts';
import { writeSize } from '../text/units.ts';
import { field, list, optional, parsed, type Shape, sizeFrom, table, text, yesOrNo } from './shape.ts';
import type { Fields } from './toml-text.ts';

/** The values of `[metrics]`. */
export interface MetricsConfig {
  /** The address of /metrics. */
  listen: string | undefined;
  /** A file for the textfile collector of node_exporter. */
  textfile: string | undefined;
  /** The file of the token that a scrape must send. */
  token_file: string | undefined;
  /** Whether other hosts may read the metrics without a token. */
  public: boolean;
  /** Further names of this host in requests. */
  hosts: string[];
  /** Whether pods are a label. */
  pods: boolean;
  /** Containers and units without a limit and with less memory have no series (bytes). */
  floor: number;
}

export const DEFAULT_FLOOR = 16 * 1024 ** 2;

const address: Shape<string> = parsed('an address such as "127.0.0.1:9836"', (given) => {
  parseAddress(given, 'listen');
  return given;
});

const textfile: Shape<string> = parsed('the path of a file such as "/var/lib/node_exporter/oomscope.prom"', (given) => {
  checkTextfile(given, 'textfile');
  return given;
});

const fields = table({
  listen: optional(address, 'serve /metrics, /healthz and /readyz at this address, by HTTP'),
  textfile: optional(
    textfile,
    'write the metrics to this file every 15 s, for the textfile collector of node_exporter',
  ),
  token_file: optional(text, 'a scrape must send the token in this file, as Prometheus does with credentials_file'),
  public: field(
    yesOrNo,
    false,
    'let other hosts read the metrics, and with [kubernetes] the memory of pods at /pods, without a token',
  ),
  hosts: field(list(text), [], 'further names that other hosts use for this one, such as the name of a service'),
  pods: field(yesOrNo, false, 'also label by pod; the series of pods that are gone remain until the next start'),
  floor: field(sizeFrom(0), DEFAULT_FLOOR, 'containers and units without a limit need this much memory to get series'),
});

/**
 * Other hosts may read the metrics only if the user says so.
 *
 * @returns undefined: it is said, or they cannot; else a function that makes the sentence from the names of two settings
 */
export function exposureProblem(given: Pick<MetricsConfig, 'listen' | 'token_file' | 'public'>) {
  const { listen, token_file, public: isPublic } = given;
  if (listen === undefined || token_file !== undefined || isPublic || isLoopback(parseAddress(listen, 'listen'))) {
    return undefined;
  }
  return (token: string, open: string) =>
    `other hosts can connect to ${listen}: give ${token}, or ${open} if they may read the names of containers and units.`;
}

export const metricsShape: Shape<MetricsConfig> = {
  schema: fields.schema,
  read(value, path, faults) {
    const given = fields.read(value, path, faults);
    if (!given) return undefined;
    if (given.listen === undefined && given.textfile === undefined)
      return faults.add(path, 'expected "listen" or "textfile", got neither.');
    const problem = exposureProblem(given);
    if (problem !== undefined) return faults.add(`${path}.listen`, problem('token_file', 'public = true'));
    return given;
  },
};

export const metricsFields = ({ floor, ...rest }: MetricsConfig): Fields => ({ ...rest, floor: writeSize(floor) });
