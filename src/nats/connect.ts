/** Connects to a NATS server: addresses, TLS, credentials, and sentences for what can go wrong. */
import { isIP } from 'node:net';
import { checkServerIdentity } from 'node:tls';
import type { Authenticator, ConnectionOptions, NatsConnection, TlsOptions } from '@nats-io/transport-node';
import { readSecret } from '../alerts/secret.ts';
import { readRegularFile, readSecretFile } from '../linux/regular-file.ts';
import { OomscopeError } from '../model/error.ts';
import { printable } from '../text/printable.ts';
import { loadNats, type Nats } from './load.ts';
import { checkServers } from './names.ts';
import type { ServerOptions } from './server-options.ts';

const MOST_BYTES = 1024 * 1024;
const LEAST_VERSION = [2, 10] as const;
const CONNECT_MS = 5_000;

/**
 * Connects once. The connection reconnects by itself, forever and with jitter.
 *
 * @param name shown in the server's list of connections
 * @param inboxPrefix begin of the subjects on which the server answers
 * @throws OomscopeError USAGE: an option is wrong; SERVER: no server answers, or it refuses
 */
export async function connect(options: ServerOptions, name: string, inboxPrefix = '_INBOX'): Promise<NatsConnection> {
  checkServers(options.servers);
  const nats = await loadNats();
  const given = { ...connectionOptions(options, name, nats), inboxPrefix };
  let connection: NatsConnection;
  try {
    connection = await nats.connect(given);
  } catch (error) {
    throw new OomscopeError('SERVER', `${shown(options)}: ${reasonOf(error)}${hintOf(error, given)}`, { cause: error });
  }
  const problem = serverProblem(connection);
  if (problem === undefined) return connection;
  await connection.close();
  throw new OomscopeError('SERVER', `${shown(options)}: ${problem}`);
}

/** A server that refuses the certificate of the client closes the connection, and the client of NATS waits for nothing. */
const hintOf = (error: unknown, { tls }: ConnectionOptions): string =>
  tls && (error as Error).name === 'TimeoutError'
    ? ' A server that verifies clients answers only to a certificate that it trusts: cert and key.'
    : '';

/** The addresses, for messages. */
export const shown = ({ servers }: ServerOptions): string => printable(servers.join(', '));

/** Reads every secret, so that a wrong option is found before anything starts. @throws OomscopeError USAGE */
export async function checkServerOptions(options: ServerOptions): Promise<void> {
  checkServers(options.servers);
  connectionOptions(options, 'oomscope', await loadNats());
}

function connectionOptions(options: ServerOptions, name: string, nats: Nats): ConnectionOptions {
  const { servers, ca, cert, key } = options;
  const isTls = servers.some((server) => server.startsWith('tls://')) || ca !== undefined || cert !== undefined;
  if ((cert === undefined) !== (key === undefined))
    throw new OomscopeError('USAGE', 'server: expected cert and key together, got one of them.');
  const authenticator = authenticatorOf(options, nats);
  return {
    ...{ servers: [...servers], name, timeout: CONNECT_MS, noAsyncTraces: true },
    ...{
      maxReconnectAttempts: -1,
      ignoreAuthErrorAbort: true,
      reconnectDelayHandler: jitteredPause,
      pingInterval: 20_000,
    },
    ...(authenticator && { authenticator }),
    ...(isTls && { tls: tlsOptions(options) }),
  };
}

function tlsOptions({ servers, ca, cert, key }: ServerOptions): TlsOptions {
  const files = {
    ...(ca !== undefined && { ca: readFile(ca, 'ca') }),
    ...(cert !== undefined && { cert: readFile(cert, 'cert') }),
    ...(key !== undefined && { key: readFile(key, 'key', readSecretFile) }),
  };
  // The client passes all options on to tls.connect(), also those that its type does not name.
  return Object.assign(files, { checkServerIdentity: identityCheck(servers) });
}

/**
 * For a server whose address is an IP address, the client of NATS passes no name, and Node.js compares the certificate
 * with "localhost". This compares it with the given IP addresses instead.
 */
function identityCheck(servers: readonly string[]): typeof checkServerIdentity {
  const hosts = servers.map(
    (server) => URL.parse(server.includes('://') ? server : `nats://${server}`)?.hostname ?? '',
  );
  const unnamed = hosts
    .map((host) => host.replace(/^\[|\]$/g, ''))
    .filter((host) => isIP(host) !== 0 || host === 'localhost');
  return (host, certificate) => {
    if (host !== 'localhost' || unnamed.length === 0) return checkServerIdentity(host, certificate);
    const problems = unnamed.map((each) => checkServerIdentity(each, certificate));
    return problems.includes(undefined) ? undefined : problems[0];
  };
}

/**
 * The pause before an attempt to reconnect (ms), at random, so that ten thousand nodes do not return together. The client
 * asks for it several times for one attempt.
 */
const jitteredPause = () => 100 + Math.random() * 2400;

/** Secrets are read again at each attempt, because a credentials file may be replaced. */
function authenticatorOf(options: ServerOptions, nats: Nats): Authenticator | undefined {
  const { credentials, nkey, token, user, password } = options;
  const ways = [credentials, nkey, token, user].filter((way) => way !== undefined);
  if (ways.length > 1)
    throw new OomscopeError('USAGE', 'server: expected one of credentials, nkey, token and user, got several.');
  if ((user === undefined) !== (password === undefined))
    throw new OomscopeError('USAGE', 'server: expected a user and a password together, got one of them.');
  if (credentials !== undefined) {
    const read = () => Buffer.from(readFile(credentials, 'credentials', readSecretFile));
    if (!/BEGIN NATS USER JWT/.test(read().toString()))
      throw new OomscopeError('USAGE', `credentials: ${printable(credentials)} is not a file of NATS credentials.`);
    return nats.credsAuthenticator(read);
  }
  if (nkey !== undefined) {
    const seed = () => Buffer.from(readSecret(nkey, 'nkey'));
    if (!/^SU[A-Z2-7]{56}$/.test(seed().toString()))
      throw new OomscopeError('USAGE', 'nkey: expected the seed of a user, 58 characters that begin with SU.');
    return nats.nkeyAuthenticator(seed);
  }
  if (token !== undefined) {
    const read = () => readSecret(token, 'token');
    read();
    return nats.tokenAuthenticator(read);
  }
  if (user === undefined || password === undefined) return undefined;
  const read = () => readSecret(password, 'password');
  read();
  return nats.usernamePasswordAuthenticator(() => user, read);
}

function readFile(path: string, what: string, read = readRegularFile): string {
  const { bytes, problem } = read(path, MOST_BYTES);
  if (problem === undefined) return bytes.toString();
  throw new OomscopeError('USAGE', `${what}: cannot read ${printable(path)}: ${problem}.`);
}

/** Why this server cannot be used. undefined: it can. */
export function serverProblem({ info }: Pick<NatsConnection, 'info'>): string | undefined {
  const version = String(info?.version ?? '');
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const [leastMajor, leastMinor] = LEAST_VERSION;
  const got = printable(version).slice(0, 40);
  if (major < leastMajor || (major === leastMajor && minor < leastMinor))
    return `expected nats-server ${LEAST_VERSION.join('.')} or later, got ${got}: upgrade it (Debian 13 has 2.10).`;
  if (info?.jetstream !== true)
    return 'its JetStream is off: start nats-server with -js, or with a section jetstream in its configuration.';
  return undefined;
}

/** Says in a sentence what went wrong, from an error of the client. */
export function reasonOf(error: unknown): string {
  const { name, message = '', code } = error as NodeJS.ErrnoException;
  const text = printable(message).slice(0, 200);
  if (error instanceof OomscopeError) return text;
  if (name === 'AuthorizationError' || name === 'UserAuthenticationExpiredError')
    return 'the server refuses the credentials: check the credentials file, nkey, token or password.';
  if (isPermissionViolation(error)) return `the server does not permit this: ${text}.`;
  if (
    name === 'NoRespondersError' ||
    name === 'JetStreamNotEnabled' ||
    /no responders|jetstream is not enabled/i.test(message)
  )
    return 'no stream takes these events yet: run `oomscope fleet setup`, or wait for the server to start.';
  if (name === 'TimeoutError' || /timeout/i.test(message)) return 'no answer in time.';
  if (code === 'ECONNREFUSED' || /ECONNREFUSED|connection refused/i.test(message))
    return 'no server answers there (connection refused): check the address, and that nats-server runs.';
  if (/ENOTFOUND|EAI_AGAIN/.test(message)) return `the name of the server is not known: ${text}.`;
  if (/certificate|self.signed|unable to verify|altname/i.test(message))
    return `its certificate is not trusted: ${text}.`;
  if (/does not support 'tls'/.test(message))
    return 'the server has no TLS: switch it on there, or write nats:// and leave out ca, cert and key.';
  if (/tls/i.test(message)) return `TLS failed: ${text}.`;
  return `${text || name}.`.replace(/\.\.$/, '.');
}

/** Depending on the operation, the client wraps the error or changes its class: the server's text stays. */
export const isPermissionViolation = (error: unknown): boolean =>
  /^Permissions Violation for /i.test((error as Error).message ?? '');
