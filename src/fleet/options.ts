/** The options of a reader of a fleet, and where it is. */
import type { ServerOptions } from '../nats/server-options.ts';
import type { OptionNames } from '../text/unknown-option.ts';
import type { OrderState } from './order.ts';

/** Which part of a fleet is read, and from where on. */
export interface FleetOptions extends ServerOptions {
  /** Read also what was stored in this time before the start (ms). Default 0: only what is new. */
  sinceMs?: number;
  /** Go on where another reader was: its `state`. */
  resume?: FleetState;
  /** Read only these partitions of nodes, for several readers. Default: all. */
  partitions?: readonly number[];
  /**
   * How long an event waits for an earlier one of its process that the process still sends (ms), while the server answers.
   * What comes after that has `late`. Default 5,000: a cluster that lost its leader needs some seconds.
   */
  waitMs?: number;
  /** Called with sentences about problems; must not throw. */
  onTrouble?: (message: string) => void;
}

/**
 * Where a reader is. It can be stored as JSON. A reader that stores its results and this state together gets each event
 * exactly once, whatever happens to it in between.
 */
export interface FleetState extends OrderState {
  /** The schema of this object. */
  schema: 'oomscope/fleet-state/v1';
  /** Every event up to this number of the stream was emitted or is known to be missing. */
  position: number;
}

export const fleetOptions: OptionNames<FleetOptions> = {
  ...{ servers: true, credentials: true, nkey: true, token: true, user: true, password: true, ca: true, cert: true },
  ...{ key: true, sinceMs: true, resume: true, partitions: true, waitMs: true, onTrouble: true },
};
