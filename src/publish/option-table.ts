/** The options of publishing, each declared once: for `trace --publish` and for [publish] of the configuration. */
import type { OptionKind, SinkOption } from '../alerts/sink-table.ts';
import { serverOptions } from '../nats/server-table.ts';
import type { PublishOptions } from './options.ts';

const option = <K extends OptionKind>(
  kind: K,
  name: string,
  about: string,
  range?: readonly [number, number],
): SinkOption<K> => ({ kind, name, about, ...(range && { range }) });

/** Every option but the addresses of the servers. The keys are the names in {@link PublishOptions}. */
export const publishOptions = {
  cluster: option('text', 'cluster', 'the name of the cluster (default: default)'),
  node: option('text', 'node', 'the name of this node (default: the name of the host)'),
  spool: option('directory', 'spool', 'keep events in this directory while the server is away, also across restarts'),
  spoolBytes: option('size', 'spool_size', 'limit of the spool; drops the oldest first (default: 64M)', [
    64 * 1024,
    2 ** 40,
  ]),
  events: option('words', 'event', 'publish only events of this type, with * and ? (default: all)'),
  perSecond: option(
    'whole',
    'per_second',
    'in a storm, publish so many events a second and count the repeats (default: 50)',
    [1, 100_000],
  ),
  ...serverOptions,
} satisfies { [K in keyof Omit<PublishOptions, 'servers'>]-?: SinkOption };
