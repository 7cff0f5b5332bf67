/**
 * Reads a fleet: the events of all nodes, each once and in the order of its node, the nodes, and incidents over many
 * nodes.
 */
import type { NatsConnection } from '@nats-io/transport-node';
import { Observable, Subject } from 'rxjs';
import { EnvelopeFactory, realtimeOffsetNs } from '../events/envelope.ts';
import type { Envelope } from '../model/envelope.ts';
import type { FleetIncident, FleetNode } from '../model/fleet.ts';
import { connect, reasonOf } from '../nats/connect.ts';
import { loadNats } from '../nats/load.ts';
import { NODES } from '../nats/names.ts';
import { untilAnswered } from '../nats/until-answered.ts';
import { refuseUnknownOptions } from '../text/unknown-option.ts';
import type { FleetCounts } from './counts.ts';
import type { FleetEvent } from './fleet-event.ts';
import { type Incident, Incidents } from './incidents.ts';
import { incidentMessage, nodeMessage } from './message.ts';
import { type NodeChange, Nodes, type NodeView, nodeStateIn } from './nodes.ts';
import { type FleetOptions, type FleetState, fleetOptions } from './options.ts';
import { Order } from './order.ts';
import { checkPartitions, type StreamFacts, StreamReader, streamFacts } from './reader.ts';
import { fleetEventOf } from './stored-event.ts';

const WAIT_MS = 5_000;
const TICK_MS = 100;
/** How long the states of the nodes may keep the events waiting (ms). */
const MOST_WAIT_FOR_NODES_MS = 15_000;

/** A fleet that is being read. */
export class Fleet implements AsyncDisposable {
  /** The events of all nodes, each once and in the order of its node. */
  readonly events$: Observable<FleetEvent>;
  /** Incidents: opened, grown, closed. */
  readonly incidents$: Observable<FleetIncident>;
  /** Changes of nodes: silent, back, left, twin, gap. */
  readonly nodes$: Observable<FleetNode>;
  /** Resolves when everything that was in the stream when the fleet was opened has been emitted. */
  readonly caughtUp: Promise<void>;
  /** Why nothing can be read at this moment. undefined: the reader reads. */
  problem: string | undefined;
  readonly #events = new Subject<FleetEvent>();
  readonly #incidentEvents = new Subject<FleetIncident>();
  readonly #nodeEvents = new Subject<FleetNode>();
  readonly #envelopes = new EnvelopeFactory();
  readonly #connection: NatsConnection;
  readonly #order: Order;
  readonly #nodes = new Nodes((change) => this.#nodeEvents.next(this.#nodeEvent(change)));
  readonly #incidents = new Incidents((incident) => this.#incidentEvents.next(this.#incidentEvent(incident)));
  readonly #counts = { events: 0, missing: 0, malformed: 0, discarded: 0 };
  /** The server's clock minus performance.now(). */
  readonly #clockMs: number;
  readonly #timer: NodeJS.Timeout;
  #position: number;
  #isCaughtUp = false;
  /** When the server stored the last event that was emitted (ms since 1970). */
  #readMs = 0;
  /** When the server stored the last message that was read. */
  #storedMs = 0;
  /** The time in which this process could read (ms): it stands while the server is away or the process gets no CPU. */
  #waitClockMs = 0;
  #tickMs = performance.now();
  #close: (() => Promise<void>)[] = [];
  #resolveCaughtUp = () => {};
  #begin: (() => Promise<void>) | undefined;

  /** @throws OomscopeError USAGE, SERVER */
  static async open(options: FleetOptions): Promise<Fleet> {
    refuseUnknownOptions('openFleet()', options, fleetOptions);
    const connection = await connect(options, 'oomscope fleet');
    try {
      const facts = await streamFacts(connection);
      checkPartitions(options.partitions, facts.partitions);
      return new Fleet(connection, options, facts);
    } catch (error) {
      await connection.close();
      throw error;
    }
  }

  private constructor(connection: NatsConnection, options: FleetOptions, facts: StreamFacts) {
    const { resume, waitMs = WAIT_MS } = options;
    this.#connection = connection;
    this.#begin = () => this.#read(options, facts);
    const begun = <T>(subject: Subject<T>) =>
      new Observable<T>((subscriber) => {
        this.start();
        return subject.subscribe(subscriber);
      });
    this.events$ = begun(this.#events);
    this.incidents$ = begun(this.#incidentEvents);
    this.nodes$ = begun(this.#nodeEvents);
    this.#position = resume?.position ?? facts.lastSequence;
    this.#clockMs = facts.serverMs - performance.now();
    this.#counts.discarded = resume ? Math.max(0, facts.firstSequence - resume.position - 1) : 0;
    this.caughtUp = new Promise((resolve) => {
      this.#resolveCaughtUp = resolve;
    });
    this.#order = new Order(
      waitMs,
      {
        emit: (event) => this.#emit(event),
        onGap: ({ before, missing }) => {
          this.#counts.missing += missing;
          this.#nodes.takeGap(before, missing);
        },
      },
      resume,
    );
    this.#timer = setInterval(() => this.#tick(), TICK_MS);
  }

  /** The nodes that this reader knows. */
  get nodes(): NodeView[] {
    return this.#nodes.all;
  }

  /** The incidents that last. */
  get incidents(): Incident[] {
    return this.#incidents.open;
  }

  /** What was emitted, and what was not. */
  get counts(): FleetCounts {
    const { duplicates, late } = this.#order;
    return { ...this.#counts, duplicates, late };
  }

  /** The server's clock, in ms since 1970. */
  get nowMs(): number {
    return this.#clockMs + performance.now();
  }

  /**
   * Begins to read. The first subscription does the same. The first event comes later than this call, so that all
   * subscriptions of one turn of the event loop get it.
   */
  start(): void {
    const begin = this.#begin;
    this.#begin = undefined;
    if (!begin) return;
    setImmediate(() => {
      if (this.#connection.isClosed()) return;
      begin().catch((error: unknown) => {
        for (const subject of [this.#events, this.#incidentEvents, this.#nodeEvents]) subject.error(error);
      });
    });
  }

  /** Where this reader is: exact for the events that were emitted so far. */
  state(): FleetState {
    const held = this.#order.firstHeld;
    const position = held === undefined ? this.#position : Math.min(this.#position, held - 1);
    return { schema: 'oomscope/fleet-state/v1', position, ...this.#order.state() };
  }

  /** Stops reading, and completes the streams. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    for (const close of this.#close.splice(0)) await close();
    await this.#connection.close();
    for (const subject of [this.#events, this.#incidentEvents, this.#nodeEvents]) subject.complete();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #read(options: FleetOptions, facts: StreamFacts): Promise<void> {
    const { resume, sinceMs, partitions, onTrouble = () => {} } = options;
    if (this.#counts.discarded > 0)
      onTrouble(`the server discarded ${this.#counts.discarded} messages before this reader could read them.`);
    await this.#followNodes(onTrouble);
    const from = {
      partitions,
      after: resume ? resume.position : sinceMs === undefined ? facts.lastSequence : undefined,
      sinceMs: resume || sinceMs === undefined ? undefined : facts.serverMs - sinceMs,
    };
    const reader = new StreamReader(this.#connection, from, facts, {
      onMessage: (message) => {
        const event = fleetEventOf(message);
        this.#position = message.seq;
        this.#storedMs = Number(message.timestampNanos / 1_000_000n);
        if (event) this.#order.take(event, this.#waitClockMs);
        else if (this.#counts.malformed++ === 0)
          onTrouble('a message on the subjects of oomscope is no event of oomscope, and was skipped.');
      },
      onCaughtUp: () => {
        this.#storedMs = Math.max(this.#storedMs, facts.serverMs);
        this.#whenEmittedTo(facts.lastSequence);
      },
      onReading: () => {
        this.problem = undefined;
      },
      onTrouble: (reason) => {
        this.problem = reason;
        onTrouble(reason);
      },
    });
    this.#close.push(() => reader.close());
    await reader.start();
  }

  /** Resolves `caughtUp` when no event up to this number of the stream waits for an earlier one of its process. */
  #whenEmittedTo(sequence: number): void {
    if ((this.#order.firstHeld ?? Number.POSITIVE_INFINITY) > sequence) {
      this.#isCaughtUp = true;
      this.#tick();
      this.#resolveCaughtUp();
      return;
    }
    setTimeout(() => this.#whenEmittedTo(sequence), TICK_MS);
  }

  async #followNodes(onTrouble: (message: string) => void): Promise<void> {
    const { Kvm } = await loadNats();
    const watch = async () => (await new Kvm(this.#connection).open(NODES)).watch();
    try {
      const until = performance.now() + MOST_WAIT_FOR_NODES_MS;
      const isOver = () => this.#connection.isClosed() || performance.now() > until;
      const entries = await untilAnswered(watch, (why) => onTrouble(`The bucket ${NODES}: ${why}`), isOver);
      this.#close.push(async () => entries.stop());
      void (async () => {
        for await (const { key, operation, value, created } of entries) {
          const state = operation === 'PUT' ? nodeStateIn(value) : undefined;
          const [, token] = key.split('.');
          if (state && token !== undefined) this.#nodes.takeState(state, token, created.getTime());
          else if (operation === 'PUT') this.#counts.malformed++;
        }
      })();
    } catch (error) {
      if (this.#connection.isClosed()) return;
      const why = reasonOf(error).replace(/\.?$/, '.');
      onTrouble(
        `The bucket ${NODES} cannot be read, so the state of nodes is not known: ${why} If it is missing, run \`oomscope fleet setup\`.`,
      );
    }
  }

  #emit(event: FleetEvent): void {
    this.#counts.events++;
    this.#readMs = event.storedMs;
    this.#nodes.takeEvent(event);
    this.#events.next(event);
    this.#incidents.take(event);
  }

  #tick(): void {
    const nowMs = performance.now();
    if (this.problem === undefined) this.#waitClockMs += Math.min(nowMs - this.#tickMs, 2 * TICK_MS);
    this.#tickMs = nowMs;
    this.#order.tick(this.#waitClockMs, this.#storedMs);
    // While the server is away, silence says nothing about the nodes.
    if (this.#connection.isClosed()) return;
    this.#nodes.tick(this.nowMs);
    // While old events are read, their time passes, not that of the clock.
    this.#incidents.tick(this.#isCaughtUp ? this.nowMs : this.#readMs);
  }

  #incidentEvent(incident: Incident): FleetIncident {
    const severity = incident.state === 'closed' ? 'info' : 'critical';
    return { ...this.#envelope(severity, incidentMessage(incident)), type: 'fleet.incident', ...incident };
  }

  #nodeEvent(change: NodeChange): FleetNode {
    const isBad = change.state === 'silent' || change.state === 'twin' || change.state === 'gap';
    return { ...this.#envelope(isBad ? 'warning' : 'info', nodeMessage(change)), type: 'fleet.node', ...change };
  }

  #envelope(severity: Envelope['severity'], message: string): Envelope {
    return this.#envelopes.next(process.hrtime.bigint(), realtimeOffsetNs(), severity, 'oomscope', message);
  }
}

/**
 * Reads a fleet from a NATS server that `oomscope fleet setup` has set up.
 *
 * @throws OomscopeError USAGE: an option is wrong; SERVER: no server answers, it refuses, or it is not set up
 */
export const openFleet = (options: FleetOptions): Promise<Fleet> => Fleet.open(options);
