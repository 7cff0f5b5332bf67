/** The [publish] section: where the events of this machine are published. */
import type { SinkOption } from '../alerts/sink-table.ts';
import { checkServers } from '../nats/names.ts';
import { publishOptions } from '../publish/option-table.ts';
import type { PublishOptions } from '../publish/options.ts';
import { checkSecrets, fieldsFrom, fieldsOf, valuesIn } from './option-fields.ts';
import { needed, oneOrMore, type Shape, table, text } from './shape.ts';
import type { Fields } from './toml-text.ts';

const options = Object.entries(publishOptions) as [string, SinkOption][];

const publishTable = table({
  server: needed(oneOrMore(text), 'address of a NATS server, such as nats://host:4222 or tls://host; or several'),
  ...Object.fromEntries(options.flatMap(([, option]) => fieldsOf(option))),
});

/** Files and the spool are checked when publishing starts. */
export const publishShape: Shape<PublishOptions> = {
  schema: publishTable.schema,
  read(value, path, faults) {
    const given: Record<string, unknown> | undefined = publishTable.read(value, path, faults);
    if (!given || !checkSecrets(options, given, path, faults)) return undefined;
    const { server } = given as { server: string[] };
    try {
      checkServers(server);
    } catch (error) {
      return faults.add(`${path}.server`, (error as Error).message.replace(/^server: /, ''));
    }
    return { servers: server, ...valuesIn(options, given) };
  },
};

/** The fields of the section for these options: the inverse of reading. */
export const publishFields = ({ servers, ...rest }: PublishOptions): Fields => ({
  server: servers.length === 1 ? servers[0] : servers,
  ...fieldsFrom(options, rest),
});
