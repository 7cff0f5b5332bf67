/** `--server URL`: the NATS server of a fleet. The settings come from nats/server-table.ts. */
import type { SinkOption } from '../../alerts/sink-table.ts';
import type { ServerOptions } from '../../nats/server-options.ts';
import { serverOptions } from '../../nats/server-table.ts';
import type { Section } from './help.ts';
import { byDefault, type Option } from './options.ts';
import { parseSettings, rowsOf, settingsOf, splitSettings } from './settings.ts';

const settings = settingsOf(Object.entries(serverOptions) as [string, SinkOption][]);
const LOCAL = 'nats://127.0.0.1:4222';

/** Declares the option `--server` for a verb. */
export const serverOption: Option<ServerOptions> = byDefault(LOCAL, {
  value: 'URL',
  help: 'address of the NATS server, nats://host:4222 or tls://host; several servers of one cluster are separated by commas',
  parse: (text, name) => {
    const [servers = '', ...words] = splitSettings(text);
    return { servers: servers.split(','), ...parseSettings(settings, words, name) };
  },
});

/** The value of `--server`, or its default. */
export const serverOf = (given: ServerOptions | undefined): ServerOptions => given ?? { servers: [LOCAL] };

/** A section of the help: the settings that may follow the address. */
export const serverSections = (): Section[] => [
  { text: 'Settings of --server follow the address, in the same shell argument:' },
  { title: 'Settings of --server', rows: rowsOf(settings) },
];
