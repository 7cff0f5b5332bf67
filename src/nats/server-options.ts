import type { Secret } from '../alerts/secret.ts';

/** Where a NATS server is, and how this process shows that it may use the server. */
export interface ServerOptions {
  /** Addresses of one server or of several servers of a cluster: `nats://host:4222`, or `tls://host`. */
  servers: readonly string[];
  /** A file of credentials, as `nsc` writes it (`.creds`). */
  credentials?: string;
  /** The seed of an nkey, which begins with "SU". */
  nkey?: Secret;
  /** A token. */
  token?: Secret;
  /** The name of a user, and the user's password. */
  user?: string;
  password?: Secret;
  /** A file with the certificate of the authority that signed the server's. Default: those of the system. */
  ca?: string;
  /** The client's own certificate and key, for servers that verify clients. */
  cert?: string;
  key?: string;
}
