/** Names on the server: subjects, the stream, the buckets. */
import { createHash } from 'node:crypto';
import { OomscopeError } from '../model/error.ts';
import { printable } from '../text/printable.ts';

/** The stream that keeps the events of all nodes. */
export const STREAM = 'OOMSCOPE';
/** The key-value bucket with the state of each node. */
export const NODES = 'oomscope_nodes';
/** The key-value bucket with the incidents that `fleet alert` has found. */
export const INCIDENTS = 'oomscope_incidents';
/** What subjects of events begin with. */
export const PREFIX = 'oomscope.v1';
/**
 * The subjects of events as the stream stores them: the server puts the number of the node's partition in front of the
 * name of the cluster.
 */
export const STORED = 'oomscope.p';

/** Longest token of a subject that oomscope makes (characters). The kernel allows host names of 64. */
const MOST_TOKEN = 128;

/**
 * Makes a token of a subject from a name: characters that a token cannot have become `_`, because host names have dots.
 * A name that was changed gets a short hash of itself, so that `a.b` and `a_b` stay two nodes.
 *
 * @param what for the error: "node"
 * @throws OomscopeError USAGE: the name is empty
 */
export function token(name: string, what: string): string {
  if (name === '') throw new OomscopeError('USAGE', `${what}: expected a name, got an empty one.`);
  const safe = name.replace(/[^\x21-\x7e]|[.*>/\\]/g, '_').slice(0, MOST_TOKEN);
  if (safe === name) return name;
  return `${safe}-${createHash('sha256').update(name).digest('hex').slice(0, 6)}`;
}

/** The name of a node from what it says of itself: a node may publish only under its own token, and so not as another. */
export const nameWithToken = (said: string, own: string): string =>
  said === own || (said !== '' && token(said, 'node') === own) ? said : own;

/** The subject on which a node publishes events of a type: `oomscope.v1.prod.web-1.oom.kill`. */
export const subjectOf = (cluster: string, node: string, type: string): string =>
  `${PREFIX}.${cluster}.${node}.${type}`;

/** What a stored subject says; undefined: the subject is not one of ours. */
export interface Stored {
  partition: number;
  cluster: string;
  node: string;
  type: string;
}

export function parseStored(subject: string): Stored | undefined {
  const [app, p, partition = '', cluster, node, ...type] = subject.split('.');
  if (`${app}.${p}` !== STORED || !/^\d+$/.test(partition) || !cluster || !node || type.length === 0) return undefined;
  return { partition: Number(partition), cluster, node, type: type.join('.') };
}

/**
 * Checks the addresses of servers. User names and passwords are refused, because every user of the machine can read a
 * command line.
 *
 * @throws OomscopeError USAGE
 */
export function checkServers(servers: readonly string[]): void {
  const wrong = (what: string) => new OomscopeError('USAGE', `server: ${what}`);
  if (servers.length === 0) throw wrong('expected the address of a NATS server, such as nats://host:4222, got none.');
  for (const server of servers) {
    const url = URL.parse(server.includes('://') ? server : `nats://${server}`);
    const shown = printable(server.replace(/\/\/.*@/, '//…@')).slice(0, 80);
    if (!url || !['nats:', 'tls:'].includes(url.protocol) || url.hostname === '')
      throw wrong(`expected an address such as nats://host:4222 or tls://host, got "${shown}".`);
    if (url.username !== '' || url.password !== '')
      throw wrong(`expected no user name or password in "${shown}": give a credentials file, or a file with a token.`);
  }
}
