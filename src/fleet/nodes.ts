/** The nodes of the fleet: what they said of themselves, what happened on them, and whether they are silent. */
import type { FleetNode } from '../model/fleet.ts';
import { nameWithToken } from '../nats/names.ts';
import type { NodeState } from '../publish/node-state.ts';
import type { FleetEvent } from './fleet-event.ts';
import { killOf } from './incidents.ts';

/** One node, as a reader sees it. */
export interface NodeView {
  /** The cluster of the node. */
  cluster: string;
  /** The name of the node. */
  node: string;
  /** A hash of the machine id. null: unknown. */
  machine: string | null;
  /** The version of oomscope on the node. null: unknown. */
  version: string | null;
  /** The release of the node's kernel. null: unknown. */
  kernel: string | null;
  /** `up`, `silent` (nothing was heard for three intervals), or `left` (it said goodbye). */
  state: 'up' | 'silent' | 'left';
  /** When the reader last heard from the node, in ms since 1970 by the server's clock. */
  heard_ms: number;
  /** Kills that the reader has seen, folded ones included. */
  kills: number;
  /** The last kill: its time (ms by the server's clock) and its sentence. */
  last_kill: { at_ms: number; message: string } | null;
  /** Kills by the guard that the reader has seen. */
  guard_kills: number;
  /** The last level of pressure of the system. null: none was seen. */
  pressure: string | null;
  /** Percent of the last 10 s in which tasks waited for memory. null: unknown. */
  stalled_percent: number | null;
  /** Events that the node counted as lost before it could publish them. */
  lost: number;
  /** Events that are missing in the stream, by the numbers of their publishers. */
  missing: number;
  /** Events that wait in the node's spool. */
  waiting: number;
  /** The server's clock minus the node's, in ms. null: unknown. */
  skew_ms: number | null;
  /** Another machine uses the same cluster and name. */
  has_twin: boolean;
}

/** A change of a node, without the envelope of an event. */
export type NodeChange = Pick<FleetNode, 'state' | 'cluster' | 'name' | 'machine' | 'heard' | 'missing'>;

interface Node extends NodeView {
  token: string;
  /** Nothing heard for this time (ms) means silent. Infinity: the node has not told its interval. */
  patienceMs: number;
}

const MISSED_INTERVALS = 3;

export class Nodes {
  readonly #emit: (change: NodeChange) => void;
  readonly #nodes = new Map<string, Node>();
  /** The keys of the machines that use one cluster and name. */
  readonly #machines = new Map<string, Set<string>>();

  constructor(emit: (change: NodeChange) => void) {
    this.#emit = emit;
  }

  get all(): NodeView[] {
    return [...this.#nodes.values()].map(({ patienceMs: _, token: __, ...view }) => view);
  }

  get size(): number {
    return this.#nodes.size;
  }

  /**
   * @param token the name of the node as a token of subjects, as in its events
   * @param writtenMs when the server stored the state, by the server's clock
   */
  takeState(state: NodeState, token: string, writtenMs: number): void {
    const { cluster, machine } = state;
    const node = this.#nodeOf(cluster, token, machine);
    node.node = nameWithToken(state.node, token);
    const { version, kernel, waiting, goodbye, every_seconds, pressure } = state;
    Object.assign(node, { version, kernel, waiting, stalled_percent: pressure?.some ?? null });
    node.lost = Object.values(state.lost).reduce((total, count) => total + count, 0) + state.dropped;
    node.patienceMs = every_seconds * 1000 * MISSED_INTERVALS;
    this.#heard(node, writtenMs);
    if (goodbye && node.state !== 'left') this.#change(node, 'left');
    else if (!goodbye && node.state === 'left') node.state = 'up';
  }

  takeEvent(fleetEvent: FleetEvent): void {
    const { event, cluster, machine, storedMs, happenedMs, skewMs } = fleetEvent;
    const node = this.#nodeOf(cluster, fleetEvent.node, machine);
    node.node = fleetEvent.name;
    this.#heard(node, storedMs);
    if (skewMs !== null) node.skew_ms = skewMs;
    const kill = killOf(fleetEvent);
    if (kill) {
      node.kills += kill.count;
      if (happenedMs >= (node.last_kill?.at_ms ?? 0)) node.last_kill = { at_ms: happenedMs, message: event.message };
    }
    if (event.type === 'guard.result' && event.outcome === 'killed') node.guard_kills++;
    if (event.type === 'pressure.level' && event.subject?.scope === 'system') node.pressure = event.level;
  }

  takeGap(before: FleetEvent, missing: number): void {
    const node = this.#nodeOf(before.cluster, before.node, before.machine);
    node.missing += missing;
    this.#emit(changeOf(node, 'gap', missing));
  }

  /** Finds nodes that have gone silent. @param nowMs by the server's clock */
  tick(nowMs: number): void {
    for (const node of this.#nodes.values()) {
      if (node.state === 'up' && nowMs - node.heard_ms > node.patienceMs) this.#change(node, 'silent');
    }
  }

  #nodeOf(cluster: string, token: string, machine: string | null): Node {
    const key = JSON.stringify([cluster, token, machine]);
    const known = this.#nodes.get(key);
    if (known) return known;
    const fresh: Node = {
      ...{ cluster, node: token, token, machine, version: null, kernel: null, state: 'up', heard_ms: 0 },
      ...{
        kills: 0,
        last_kill: null,
        guard_kills: 0,
        pressure: null,
        stalled_percent: null,
        lost: 0,
        missing: 0,
        waiting: 0,
      },
      ...{ skew_ms: null, has_twin: false, patienceMs: Number.POSITIVE_INFINITY },
    };
    this.#nodes.set(key, fresh);
    const place = JSON.stringify([cluster, token]);
    const machines = this.#machines.get(place) ?? new Set();
    this.#machines.set(place, machines.add(key));
    return fresh;
  }

  #heard(node: Node, atMs: number): void {
    node.heard_ms = Math.max(node.heard_ms, atMs);
    if (node.state === 'silent') this.#change(node, 'back');
    this.#findTwin(node);
  }

  /** A reinstalled machine has another id, too: it is a twin only if the other one was heard in its last interval. */
  #findTwin(node: Node): void {
    const machines = this.#machines.get(JSON.stringify([node.cluster, node.token]));
    if (!machines || machines.size < 2 || node.has_twin) return;
    for (const key of machines) {
      const other = this.#nodes.get(key) as Node;
      if (other === node || other.state !== 'up') continue;
      if (Math.abs(other.heard_ms - node.heard_ms) > Math.min(node.patienceMs, other.patienceMs, 90_000)) continue;
      node.has_twin = true;
      other.has_twin = true;
      this.#emit(changeOf(node, 'twin'));
      return;
    }
  }

  #change(node: Node, state: 'silent' | 'back' | 'left'): void {
    node.state = state === 'back' ? 'up' : state;
    this.#emit(changeOf(node, state));
  }
}

function changeOf({ cluster, node, machine, heard_ms }: Node, state: NodeChange['state'], missing = 0): NodeChange {
  const heard = heard_ms === 0 ? null : new Date(heard_ms).toISOString();
  return { state, cluster, name: node, machine, heard, missing };
}

/** The state of a node from the bytes in the bucket. undefined: another program has written them. */
export function nodeStateIn(value: Uint8Array): NodeState | undefined {
  try {
    const state = JSON.parse(Buffer.from(value).toString()) as NodeState;
    const { schema, node, cluster, machine, version, kernel, every_seconds, lost, dropped, waiting, pressure } = state;
    const texts = [node, cluster, machine, version, kernel].every((text) => typeof text === 'string');
    const counts = [every_seconds, dropped, waiting, pressure?.some ?? 0, ...Object.values(lost)];
    const isOurs = schema === 'oomscope/node/v1' && texts && counts.every(Number.isFinite) && every_seconds > 0;
    return isOurs ? state : undefined;
  } catch {
    return undefined;
  }
}
