/**
 * Reads the stream in the order of the server, from a position, and goes on there after every break of the connection.
 * The server keeps nothing about a reader: its position is a number, which the reader can store with its results.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { ConsumerMessages, JsMsg, OrderedConsumerOptions } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import { backoffMs } from '../events/backoff.ts';
import { OomscopeError } from '../model/error.ts';
import { reasonOf } from '../nats/connect.ts';
import { loadNats } from '../nats/load.ts';
import { STORED, STREAM } from '../nats/names.ts';
import { untilAnswered } from '../nats/until-answered.ts';
import { partitionsOf, type StreamValues } from './shape.ts';

export interface ReaderOptions {
  /** Read what comes after this number of the stream. */
  after?: number | undefined;
  /** Read what was stored since then (ms since 1970). Without `after` and `sinceMs`: only what is new. */
  sinceMs?: number | undefined;
  /** Read only these partitions of nodes. */
  partitions?: readonly number[] | undefined;
}

export interface ReaderHooks {
  onMessage: (message: JsMsg) => void;
  /** Called once, when everything that was in the stream at the start has been read. */
  onCaughtUp: () => void;
  /** The connection or the consumer has a problem; reading goes on by itself. */
  onTrouble: (reason: string) => void;
  /** Reading has begun, or goes on after a problem. */
  onReading: () => void;
}

/** What a reader knows about the stream at its start. */
export interface StreamFacts {
  partitions: number;
  firstSequence: number;
  lastSequence: number;
  /** The server's clock, in ms since 1970. */
  serverMs: number;
}

/** @throws OomscopeError SERVER: there is no stream, or it has another shape */
export async function streamFacts(connection: NatsConnection): Promise<StreamFacts> {
  const { jetstreamManager } = await loadNats();
  try {
    const manager = await jetstreamManager(connection);
    const { config, state, ts } = (await manager.streams.info(STREAM)) as never as {
      config: StreamValues;
      state: { first_seq: number; last_seq: number };
      ts?: string;
    };
    const partitions = partitionsOf(config);
    if (partitions === undefined)
      throw new OomscopeError('SERVER', `the stream ${STREAM} has another shape: run \`oomscope fleet setup\`.`);
    const serverMs = ts === undefined ? Date.now() : Date.parse(ts);
    return { partitions, firstSequence: state.first_seq, lastSequence: state.last_seq, serverMs };
  } catch (error) {
    if (error instanceof OomscopeError) throw error;
    const isMissing = (error as { code?: unknown }).code === 10059;
    const what = isMissing ? `there is no stream ${STREAM}: run \`oomscope fleet setup\`.` : reasonOf(error);
    throw new OomscopeError('SERVER', what, { cause: error });
  }
}

/** @throws OomscopeError USAGE: a partition does not exist */
export function checkPartitions(partitions: readonly number[] | undefined, count: number): void {
  const wrong = partitions?.find((each) => !Number.isInteger(each) || each < 0 || each >= count);
  if (wrong === undefined) return;
  throw new OomscopeError('USAGE', `partitions: expected whole numbers from 0 to ${count - 1}, got ${wrong}.`);
}

const BATCH = 500;
/** How long a request for messages waits at the server (ms). */
const EXPIRES_MS = 10_000;
/** How often the consumer says that it is there (ms). One that is gone is replaced after two or three times this. */
const HEARTBEAT_MS = 1_000;
const FIRST_RETRY_MS = 250;
const MOST_RETRY_MS = 2_000;

/** Reads the stream until close() is called. */
export class StreamReader {
  readonly #connection: NatsConnection;
  readonly #options: ReaderOptions;
  readonly #facts: StreamFacts;
  readonly #hooks: ReaderHooks;
  /** The number of the last message that was read. undefined: none, so the options say where to begin. */
  #position: number | undefined;
  /** Grows with each consumer, so that messages of an older one are ignored. */
  #epoch = 0;
  #messages: ConsumerMessages | undefined;
  #isCaughtUp = false;
  #isClosed = false;

  constructor(connection: NatsConnection, options: ReaderOptions, facts: StreamFacts, hooks: ReaderHooks) {
    this.#connection = connection;
    this.#options = options;
    this.#facts = facts;
    this.#hooks = hooks;
    this.#position = options.after;
  }

  /** @throws OomscopeError SERVER */
  async start(): Promise<void> {
    try {
      await untilAnswered(
        () => this.#open(),
        this.#hooks.onTrouble,
        () => this.#isClosed,
      );
    } catch (error) {
      throw new OomscopeError('SERVER', reasonOf(error), { cause: error });
    }
    void this.#follow();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#messages?.close().catch(() => {});
  }

  async #open(): Promise<void> {
    const epoch = ++this.#epoch;
    await this.#messages?.close().catch(() => {});
    const { jetstream } = await loadNats();
    const filter = this.#options.partitions?.map((partition) => `${STORED}.${partition}.>`) ?? [`${STORED}.>`];
    const consumer = await jetstream(this.#connection).consumers.get(STREAM, {
      ...{ ...this.#start(), filter_subjects: filter, inactive_threshold: 60_000 },
    } as Partial<OrderedConsumerOptions>);
    const { num_pending: pending } = await consumer.info();
    const messages = await consumer.consume({
      ...{ max_messages: BATCH, expires: EXPIRES_MS, idle_heartbeat: HEARTBEAT_MS },
      callback: (message) => {
        if (epoch !== this.#epoch || this.#isClosed) return;
        this.#position = message.seq;
        this.#hooks.onMessage(message);
        if (message.info.pending === 0 || message.seq >= this.#facts.lastSequence) this.#caughtUp();
      },
    });
    this.#messages = messages;
    this.#hooks.onReading();
    void this.#watch(messages, epoch);
    if (pending === 0) this.#caughtUp();
  }

  #start(): Partial<OrderedConsumerOptions> {
    const { sinceMs } = this.#options;
    if (this.#position !== undefined)
      return { deliver_policy: 'by_start_sequence', opt_start_seq: Math.max(1, this.#position + 1) };
    if (sinceMs === undefined) return { deliver_policy: 'new' };
    return { deliver_policy: 'by_start_time', opt_start_time: new Date(sinceMs).toISOString() };
  }

  #caughtUp(): void {
    if (!this.#isCaughtUp) this.#hooks.onCaughtUp();
    this.#isCaughtUp = true;
  }

  /** A server that was restarted knows nothing of the consumer: make a new one, without waiting for a heartbeat. */
  async #follow(): Promise<void> {
    for await (const { type } of this.#connection.status()) {
      if (type === 'disconnect')
        this.#hooks.onTrouble('the connection to the server broke; reading goes on when it is back.');
      if (type === 'reconnect') void this.#reopen(this.#epoch);
    }
  }

  /** In a cluster, the server of the consumer may be gone while the connection is to another one. */
  async #watch(messages: ConsumerMessages, epoch: number): Promise<void> {
    for await (const { type } of messages.status()) {
      if (type === 'heartbeats_missed' || type === 'consumer_not_found' || type === 'consumer_deleted')
        void this.#reopen(epoch);
    }
  }

  /** @param epoch the consumer to replace: if there is another one by now, nothing is done */
  async #reopen(epoch: number): Promise<void> {
    let failures = 0;
    for (let expected = epoch; !this.#isClosed && this.#epoch === expected; expected = this.#epoch) {
      try {
        await this.#open();
        return;
      } catch (error) {
        this.#hooks.onTrouble(reasonOf(error));
        await sleep(backoffMs(++failures, FIRST_RETRY_MS, MOST_RETRY_MS));
        expected = this.#epoch;
      }
    }
  }
}
