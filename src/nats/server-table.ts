/** The options of a connection to a NATS server, each declared once: for the command line and the configuration file. */
import type { OptionKind, SinkOption } from '../alerts/sink-table.ts';
import type { ServerOptions } from './server-options.ts';

const option = <K extends OptionKind>(kind: K, name: string, about: string): SinkOption<K> => ({ kind, name, about });

/** Every option but the addresses. The keys are the names in {@link ServerOptions}. */
export const serverOptions = {
  credentials: option('text', 'credentials', 'a file of credentials, as nsc writes it (.creds)'),
  nkey: option('secret', 'nkey', 'the seed of an nkey'),
  token: option('secret', 'token', 'a token'),
  user: option('text', 'user', 'the name of a user of the server'),
  password: option('secret', 'password', 'the password of this user'),
  ca: option('text', 'ca', "certificate of the authority that signed the server's (default: those of the system)"),
  cert: option('text', 'cert', 'the certificate of this client'),
  key: option('text', 'key', "the file with the key of this client's certificate"),
} satisfies { [K in keyof Omit<ServerOptions, 'servers'>]-?: SinkOption };
