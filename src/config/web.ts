/** The section [web]. */
import { isLoopback, parseAddress } from '../http/address.ts';
import { field, list, optional, parsed, type Shape, table, text } from './shape.ts';
import type { Fields } from './toml-text.ts';

/** The values of `[web]`. */
export interface WebConfig {
  /** The address of the page. */
  listen: string;
  /** The file of the token that a browser must have. undefined: a new token at each start, which the log has in a link. */
  token_file: string | undefined;
  /** Further names of this host in requests. */
  hosts: string[];
}

export const DEFAULT_WEB = '127.0.0.1:9837';

const address: Shape<string> = parsed('an address such as "127.0.0.1:9837"', (given) => {
  parseAddress(given, 'listen');
  return given;
});

const fields = table({
  listen: field(address, DEFAULT_WEB, 'serve the page at this address, by HTTP'),
  token_file: optional(
    text,
    'a browser must have the token in this file; by default a new token is made at each start',
  ),
  hosts: field(list(text), [], 'further names that other hosts use for this one, such as the name of a service'),
});

/** @returns why the page may not be served there without a file of the token; undefined: it may */
export function webProblem({ listen, token_file }: Pick<WebConfig, 'listen' | 'token_file'>): string | undefined {
  if (token_file !== undefined || isLoopback(parseAddress(listen, 'listen'))) return undefined;
  return `other hosts can connect to ${listen}, and the page has command lines of processes: give token_file, and use an encrypted connection.`;
}

export const webShape: Shape<WebConfig> = {
  schema: fields.schema,
  read(value, path, faults) {
    const given = fields.read(value, path, faults);
    const problem = given && webProblem(given);
    return problem === undefined ? given : faults.add(`${path}.listen`, problem);
  },
};

export const webFields = (given: WebConfig): Fields => ({ ...given });
