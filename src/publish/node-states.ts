/** Writes the state of a node into the key-value bucket. */
import { release } from 'node:os';
import type { KV } from '@nats-io/kv';
import type { NatsConnection } from '@nats-io/transport-node';
import { bootId } from '../linux/boot-id.ts';
import { effectiveCapabilities } from '../linux/capabilities.ts';
import { parsePressure } from '../linux/psi.ts';
import { readSmallFile } from '../linux/small-file.ts';
import type { Event } from '../model/events.ts';
import { loadNats } from '../nats/load.ts';
import { NODES } from '../nats/names.ts';
import { VERSION } from '../version.ts';
import type { Sender } from './message.ts';
import type { NodeState } from './node-state.ts';

/** How often a node writes its state (ms). A reader calls a node silent after three times this. */
export const STATE_EVERY_MS = 30_000;
/** A change is written at once, but not more often than this (ms). */
const CHANGE_MS = 1_000;

type Counts = Pick<NodeState, 'published' | 'folded' | 'dropped' | 'waiting'>;

export class NodeStates {
  readonly #sender: Sender;
  readonly #run: string;
  readonly #counts: () => Counts;
  #bucket: KV | undefined;
  #timer: NodeJS.Timeout | undefined;
  #writtenMs = 0;
  #known: Pick<NodeState, 'last_event' | 'last_kill' | 'kills' | 'guard_kills' | 'lost'> = {
    ...{ last_event: null, last_kill: null, kills: 0, guard_kills: 0, lost: {} },
  };

  constructor(sender: Sender, run: string, counts: () => Counts) {
    this.#sender = sender;
    this.#run = run;
    this.#counts = counts;
  }

  /** Called when the connection is there. A bucket that is missing is no fault: `fleet setup` may come later. */
  async open(connection: NatsConnection): Promise<void> {
    const { Kvm } = await loadNats();
    this.#bucket = await new Kvm(connection).open(NODES, { bindOnly: true }).catch(() => undefined);
    this.#write();
  }

  take(event: Event): void {
    const { id, type, time } = event;
    this.#known.last_event = { id, type, time };
    if (event.type === 'oom.kill' && event.kind !== 'already_dying') {
      this.#known.kills++;
      this.#known.last_kill = { id, time, message: event.message.slice(0, 300) };
    } else if (event.type === 'guard.result' && event.outcome === 'killed') {
      this.#known.guard_kills++;
    } else if (event.type === 'tracer.lost') {
      this.#known.lost = { ...this.#known.lost, [event.where]: event.total };
    } else return;
    this.#soon(Math.max(0, this.#writtenMs + CHANGE_MS - performance.now()));
  }

  /** Writes the last state, so that readers do not call the node silent. */
  async goodbye(): Promise<void> {
    clearTimeout(this.#timer);
    await this.#put(true);
    this.#bucket = undefined;
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#bucket = undefined;
  }

  #soon(inMs: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#write(), inMs).unref();
  }

  #write(): void {
    this.#writtenMs = performance.now();
    // up to a fifth later, so that nodes that started together do not write together
    this.#soon(STATE_EVERY_MS * (0.9 + Math.random() / 5));
    void this.#put(false);
  }

  async #put(goodbye: boolean): Promise<void> {
    const { cluster, node, machine } = this.#sender;
    const value = JSON.stringify(this.#state(goodbye));
    // A failure is not told: the events have told it, and the next interval tries again.
    await this.#bucket?.put(`${cluster}.${node}.${machine}`, value).catch(() => {});
  }

  #state(goodbye: boolean): NodeState {
    const { cluster, name, machine } = this.#sender;
    const pressure = parsePressure(readSmallFile('/proc/pressure/memory'));
    return {
      ...{ schema: 'oomscope/node/v1', node: name, cluster, machine, boot_id: bootId() ?? null },
      ...{ version: VERSION, kernel: release(), capabilities: [...effectiveCapabilities()], run: this.#run },
      ...{ every_seconds: STATE_EVERY_MS / 1000, time: new Date().toISOString() },
      ...this.#known,
      pressure: pressure && { some: pressure.some.avg10, full: pressure.full.avg10 },
      ...this.#counts(),
      goodbye,
    };
  }
}
