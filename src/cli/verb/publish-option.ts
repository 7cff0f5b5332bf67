/** `--publish URL`: publishes events to NATS JetStream. The settings come from publish/option-table.ts. */
import type { SinkOption } from '../../alerts/sink-table.ts';
import { publishOptions } from '../../publish/option-table.ts';
import type { PublishOptions } from '../../publish/options.ts';
import type { Publisher } from '../../publish/publisher.ts';
import type { Section } from './help.ts';
import type { Option } from './options.ts';
import { parseSettings, rowsOf, settingsOf, splitSettings } from './settings.ts';
import { tell } from './tell.ts';

const settings = settingsOf(Object.entries(publishOptions) as [string, SinkOption][]);

/** Declares the option `--publish` for a verb. */
export const publishOption: Option<PublishOptions> = {
  value: 'URL',
  help: 'also publish the events to this NATS server, nats://host:4222 or tls://host, for `oomscope fleet`; several servers of one cluster are separated by commas',
  parse: (text, name) => {
    const [servers = '', ...words] = splitSettings(text);
    return { servers: servers.split(','), ...parseSettings(settings, words, name) };
  },
};

/** A section of the help: the settings that may follow the address. */
export const publishSections = (): Section[] => [
  { text: 'Settings of --publish follow the address, in the same shell argument:' },
  { title: 'Settings of --publish', rows: rowsOf(settings) },
];

/** Loads and opens publishing. @throws OomscopeError USAGE */
export async function openPublisher(options: PublishOptions | undefined): Promise<Publisher | undefined> {
  if (options === undefined) return undefined;
  const { Publisher } = await import('../../publish/publisher.ts');
  return Publisher.open(options, tell);
}
