/** Events of publishing and of the fleet: folded repeats, the state of a node, and incidents over many nodes. */
import type { Envelope } from './envelope.ts';
import type { Severity } from './severity.ts';

/** What an event is about: where the memory was short, and which program and image were hit. null: unknown or none. */
export interface EventPlace {
  /** The cgroup: the one whose limit was hit, else the one of the victim. */
  cgroup: string | null;
  /** The memory limit of this cgroup. */
  limit_bytes: number | null;
  /** The name of the victim's process. */
  comm: string | null;
  /** The systemd unit. */
  unit: string | null;
  /** The name of the container. */
  container: string | null;
  /** The image of the container. */
  image: string | null;
  /** The namespace of the pod. */
  namespace: string | null;
  /** The name of the pod. */
  pod: string | null;
}

/**
 * Repeats that a node did not publish one by one, because it had more events than its share of the fleet's stream. The
 * first event of its kind was published, and so was this count.
 */
export interface PublishFolded extends Envelope {
  type: 'publish.folded';
  /** The type of the folded events. */
  event_type: string;
  /** The number of folded events. */
  count: number;
  /** What they were about. */
  about: EventPlace;
  /** The severity of the folded events. */
  folded_severity: Severity;
  /** The id of the event before them, which was published. */
  first_id: string;
  /** The time of the first folded event: RFC 3339. */
  since: string;
  /** The time of the last folded event: RFC 3339. */
  until: string;
}

/** What has changed about a node of the fleet. */
export interface FleetNode extends Envelope {
  type: 'fleet.node';
  /**
   * - `silent`: the node has sent neither an event nor its state for three intervals, by the reader's clock, and did not
   *   say goodbye.
   * - `back`: it was silent and sends again.
   * - `left`: it said goodbye.
   * - `twin`: a second machine uses the same cluster and name.
   * - `gap`: events of this node are missing: they were discarded by the server, dropped from a full spool, or lost when
   *   the publisher was killed.
   */
  state: 'silent' | 'back' | 'left' | 'twin' | 'gap';
  /** The cluster of the node. */
  cluster: string;
  /** The name of the node. `node` in the envelope is the reader's. */
  name: string;
  /** A hash of the node's machine id. null: unknown. */
  machine: string | null;
  /** When the reader last heard from the node: RFC 3339. null: never. */
  heard: string | null;
  /** For `gap`: the number of missing events. Otherwise 0. */
  missing: number;
}

/** The same kind of event on one or more nodes, which probably has one cause. */
export interface FleetIncident extends Envelope {
  type: 'fleet.incident';
  /** The id of the incident, the same in all events about it. */
  incident_id: string;
  /** `opened`: it has begun. `grown`: it has reached twice as many nodes. `closed`: it is over, see `ended`. */
  state: 'opened' | 'grown' | 'closed';
  /** `quiet`: nothing has happened for 10 minutes. `usual`: it goes on, but no more than usual by now. null: it lasts. */
  ended: 'quiet' | 'usual' | null;
  /**
   * What the events have in common.
   * - `image`, `workload`, `unit`, `program`: their image, pods of one workload, systemd unit or process name.
   * - `node`: one node has run out of memory.
   */
  cause: 'image' | 'workload' | 'unit' | 'program' | 'node';
  /** The image, workload, unit, program or node. */
  name: string;
  /** The cluster. */
  cluster: string;
  /** The number of kills so far, folded ones included. */
  kills: number;
  /** The number of nodes so far. */
  nodes: number;
  /** Names of nodes, at most 20. */
  node_names: string[];
  /** The time of the first event: RFC 3339, by the server's clock. */
  since: string;
  /** The time of the last event so far: RFC 3339, by the server's clock. */
  until: string;
  /** The id of the first event. */
  first_id: string;
}
