import type { ServerOptions } from '../nats/server-options.ts';

/** How events are published. */
export interface PublishOptions extends ServerOptions {
  /** The name of the cluster of this node. Default `default`. */
  cluster?: string;
  /** The name of this node. Default: the name of the host. */
  node?: string;
  /** A directory in which events wait while the server is away. Without it they wait in memory only. */
  spool?: string;
  /** The limit of the spool, in bytes. The oldest events are dropped first. Default 64 MiB. */
  spoolBytes?: number;
  /** Globs of types of events to publish. Default: all events. */
  events?: readonly string[];
  /** Events a second that are published one by one in a storm; beyond that, repeats are counted. Default 50. */
  perSecond?: number;
}
