/**
 * Publishes events to NATS JetStream. An event counts as sent when the server has acknowledged it. While the server is
 * away, events wait in the spool, also across restarts, and are sent in order afterwards.
 */
import { writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import type { JetStreamClient } from '@nats-io/jetstream';
import { DiskQueue } from '../alerts/disk-queue.ts';
import { EnvelopeFactory, realtimeOffsetNs } from '../events/envelope.ts';
import type { Event } from '../model/events.ts';
import { checkServerOptions, isPermissionViolation, reasonOf, shown } from '../nats/connect.ts';
import { loadNats, type Nats } from '../nats/load.ts';
import { STREAM, token } from '../nats/names.ts';
import { globMatch } from '../text/glob.ts';
import { printable } from '../text/printable.ts';
import { type Entry, entryCodec, entryOf } from './entry.ts';
import { foldedFields, summaryOf } from './folded.ts';
import { Link } from './link.ts';
import { machineHash } from './machine.ts';
import { messageOf, type Sender } from './message.ts';
import { NodeStates } from './node-states.ts';
import type { PublishOptions } from './options.ts';
import { rehearseMessage } from './rehearse.ts';
import { Storm } from './storm.ts';
import { Window } from './window.ts';

/** Counts of events since the start. */
export interface PublishCounts {
  /** Acknowledged by the server. */
  published: number;
  /** Counted in summaries instead of being published. */
  folded: number;
  /** Lost because the spool was full, or because the server refused them for good. */
  dropped: number;
  /** Not yet acknowledged. */
  waiting: number;
}

/** A cluster chooses a new leader within some seconds; what was sent meanwhile gets no answer. */
const ANSWER_MS = 4_000;
/** An entry is written to the spool when it has waited for this time although the server is there (ms). */
const WRITE_AFTER_MS = 50;
/** Entries in one file of the spool. After a crash some are sent a second time; readers drop them by their numbers. */
const PER_FILE = 64;
/** The oldest entries are also in memory, up to this size, and need not be read. */
const KEPT_BYTES = 4 * 1024 ** 2;
const SUMMARY_CHECK_MS = 2_000;
const MOST_ENTRIES = 200_000;
/** In a storm this many events are published before repeats are folded, in multiples of `perSecond`. */
const BURST_SECONDS = 10;
/** The server's error for a message that is larger than the stream allows. */
const TOO_LARGE = 10054;
/** A stream may allow smaller messages than the server: this much is always tried. */
const LEAST_LIMIT = 16 * 1024;

export class Publisher implements AsyncDisposable {
  readonly #counts = { published: 0, folded: 0, dropped: 0 };
  readonly #options: PublishOptions;
  readonly #sender: Sender;
  readonly #queue: DiskQueue<Entry>;
  readonly #window: Window;
  readonly #storm: Storm;
  readonly #states: NodeStates;
  readonly #envelopes = new EnvelopeFactory();
  readonly #nats: Nats;
  readonly #tell: (message: string) => void;
  readonly #link: Link;
  readonly #summaries: NodeJS.Timeout;
  readonly #run: string;
  #number = 0;
  #client: JetStreamClient | undefined;
  #mostBytes = 1024 ** 2;
  /** Sentences about failures; none is repeated until something has been sent. */
  readonly #told = new Set<string>();
  #isStateRefused = false;
  /** Types of events that were dropped because the server forbids them and permits others. */
  readonly #dropped = new Set<string>();
  #dropping = false;
  #large = 0;
  /** The id of the last event that is too large. */
  #lastLarge = '';
  #keeping: Promise<unknown> = Promise.resolve();
  #closed: Promise<void> | undefined;

  /**
   * @param tell called with sentences about the state of publishing; must not throw
   * @throws OomscopeError USAGE: an option is wrong, or the spool is not private or is in use
   */
  static async open(options: PublishOptions, tell: (message: string) => void = () => {}): Promise<Publisher> {
    await checkServerOptions(options);
    return new Publisher(options, tell, await loadNats());
  }

  private constructor(options: PublishOptions, tell: (message: string) => void, nats: Nats) {
    const { cluster = 'default', node = hostname(), spool, spoolBytes, perSecond = 50 } = options;
    this.#options = options;
    this.#nats = nats;
    this.#tell = (message) => tell(`publish: ${message}`);
    this.#sender = {
      cluster: token(cluster, 'cluster'),
      node: token(node, 'node'),
      name: node,
      machine: machineHash(),
    };
    this.#run = this.#newEnvelope('').id.replace(/-\d+$/, '');
    this.#storm = new Storm({ perSecond, burst: perSecond * BURST_SECONDS }, performance.now());
    this.#queue = new DiskQueue({
      ...{ directory: spool, codec: entryCodec, most: MOST_ENTRIES, mostBytes: spoolBytes },
      ...{ perFile: PER_FILE, keptBytes: KEPT_BYTES },
      onTrouble: this.#tell,
    });
    this.#states = new NodeStates(this.#sender, this.#run, () => this.counts);
    this.#window = new Window(this.#queue, {
      send: (entry, settled) => this.#send(entry, settled),
      isUp: () => this.#link.isUp,
      onFailure: (error) => this.#refused(error as Error),
      onForbidden: (entry) => this.#forbidden(entry),
      onSent: (isPublished) => {
        if (isPublished) this.#counts.published++;
        if (this.#told.size > 0) this.#recovered('the server takes events again');
      },
    });
    // An account may permit answers to this node only.
    const inbox = `_INBOX.${this.#sender.cluster}.${this.#sender.node}`;
    this.#link = new Link(options, `oomscope ${node}`, inbox, {
      onUp: (connection) => {
        this.#client = nats.jetstream(connection, { timeout: ANSWER_MS });
        this.#mostBytes = connection.info?.max_payload ?? this.#mostBytes;
        this.#queue.writeAfterMs = WRITE_AFTER_MS;
        void this.#states.open(connection);
        if (this.#told.size > 0 && this.#queue.length === 0) this.#recovered('the server is back');
        this.#window.restart();
      },
      onDown: (reason) => {
        this.#queue.writeAfterMs = 0;
        this.#failed(reason);
      },
      onRefusal: (error) => this.#refused(error),
    });
    this.#summaries = setInterval(() => this.#publishSummaries(), SUMMARY_CHECK_MS).unref();
  }

  get counts(): PublishCounts {
    return { ...this.#counts, waiting: this.#queue.length };
  }

  /** Publishes an event. Never waits. */
  take(event: Event): void {
    if (this.#closed) return;
    this.#states.take(event);
    const { events = [] } = this.#options;
    if (events.length > 0 && !events.some((glob) => globMatch(glob, event.type))) return;
    const isAlone = this.#storm.take(event, performance.now());
    this.#publishSummaries();
    if (isAlone) this.#push(event);
    else this.#counts.folded++;
  }

  /** Runs the code that makes the message of an event. Nothing is queued, counted or sent. */
  rehearse(event: Event): void {
    rehearseMessage(event, this.#sender, this.#mostBytes, this.#nats);
  }

  /** Sends the waiting events for at most `timeoutMs`; the rest stays in the spool. Says goodbye to the fleet. */
  close(timeoutMs = 3_000): Promise<void> {
    this.#closed ??= this.#close(timeoutMs);
    return this.#closed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #close(timeoutMs: number): Promise<void> {
    clearInterval(this.#summaries);
    this.#publishSummaries(true);
    const until = performance.now() + timeoutMs;
    // An event that happens just before the end may come before the first connection.
    while (this.#queue.length > 0 && performance.now() < until && (this.#link.isUp || this.#told.size === 0))
      await new Promise((resolve) => setTimeout(resolve, 10));
    if (this.#link.isUp) await this.#states.goodbye();
    this.#states.close();
    this.#window.close();
    await this.#link.close();
    await this.#keeping;
    await this.#queue.close();
    const { kept, length } = this.#queue;
    if (kept > 0) this.#tell(`${amount(kept)} kept in the spool for the next start.`);
    if (length > kept) this.#tell(`${amount(length - kept)} not published before the end, and lost.`);
  }

  #push(event: Event): void {
    const dropped = this.#queue.push(entryOf(event, this.#run, this.#number++));
    this.#counts.dropped += dropped;
    if (dropped > 0 && !this.#dropping) this.#tell('the spool is full: the oldest events are dropped.');
    this.#dropping ||= dropped > 0;
    this.#window.wake();
  }

  async #send(entry: Entry, settled: number): Promise<boolean> {
    const client = this.#client;
    if (!client) throw new Error('not connected');
    const message = messageOf(entry, settled, this.#sender, this.#mostBytes, this.#nats);
    if (!message) return this.#giveUp(entry, 'it is larger than the server allows');
    const { subject, payload, headers, movedOut } = message;
    if (movedOut.length > 0 && this.#lastLarge !== entry.id) {
      this.#lastLarge = entry.id;
      // Not awaited: later events would overtake this one.
      this.#keeping = Promise.all([this.#keeping, this.#keepWhole(entry, movedOut)]);
    }
    try {
      const ack = await client.publish(subject, payload, { msgID: entry.id, headers, timeout: ANSWER_MS });
      if (ack.stream !== STREAM)
        this.#failed(
          `the stream ${printable(ack.stream)} took an event, expected ${STREAM}: see \`oomscope fleet setup\`.`,
        );
      return true;
    } catch (error) {
      const isTooLarge =
        (error as { code?: unknown }).code === TOO_LARGE || /max.*payload/i.test((error as Error).message);
      if (!isTooLarge) throw error;
      if (this.#mostBytes <= LEAST_LIMIT) return this.#giveUp(entry, 'the stream allows smaller messages only');
      this.#mostBytes = Math.max(LEAST_LIMIT, this.#mostBytes / 2);
      return this.#send(entry, settled);
    }
  }

  #giveUp({ id }: Entry, why: string): false {
    this.#counts.dropped++;
    this.#tell(`the event ${printable(id)} was given up: ${why}.`);
    return false;
  }

  #forbidden({ type }: Entry): void {
    this.#counts.dropped++;
    const what = `the server permits other events of this node, but not ${printable(type)}: these are dropped`;
    if (!this.#dropped.has(type)) this.#tell(`${shown(this.#options)}: ${what}; ${this.#remedy}.`);
    this.#dropped.add(type);
  }

  get #remedy(): string {
    return `\`oomscope fleet setup --cluster ${this.#sender.cluster} --node ${this.#sender.node}\` prints the permissions that it needs`;
  }

  /** Keeps the whole event beside the spool's files, for the user of this node. */
  async #keepWhole({ id, json }: Entry, movedOut: readonly string[]): Promise<void> {
    const { spool } = this.#options;
    const place = spool === undefined ? undefined : join(spool, `large-${this.#large++ % 16}.json`);
    const isKept =
      place !== undefined &&
      (await writeFile(place, json, { mode: 0o600 }).then(
        () => true,
        () => false,
      ));
    const where = isKept ? `the whole event is in ${printable(place)}` : 'without a spool the rest is lost';
    const fields = movedOut.map((name) => printable(name)).join(', ');
    this.#tell(`the event ${printable(id)} is too large for the server: published without ${fields}; ${where}.`);
  }

  #publishSummaries(all = false): void {
    for (const folded of this.#storm.summaries(performance.now(), all))
      this.#push({ ...this.#newEnvelope(summaryOf(folded)), ...foldedFields(folded) });
  }

  #newEnvelope(message: string) {
    return this.#envelopes.next(process.hrtime.bigint(), realtimeOffsetNs(), 'info', 'oomscope', message);
  }

  /** The server has refused an event, or the state of this node. */
  #refused(error: Error & { subject?: unknown }): void {
    const where = shown(this.#options);
    const isState = isPermissionViolation(error) && String(error.subject).startsWith('$KV.');
    const { cluster, node } = this.#sender;
    const what = `the server does not permit this node to ${isState ? 'store its state' : 'publish events'} as ${cluster}.${node}`;
    if (!isState) {
      this.#failed(`${where}: ${isPermissionViolation(error) ? `${what}: ${this.#remedy}` : reasonOf(error)}`);
    } else if (!this.#isStateRefused && this.#told.size === 0) {
      // after a refusal of events, the remedy has been told
      this.#isStateRefused = true;
      this.#tell(`${where}: ${what}: ${this.#remedy}.`);
    }
  }

  #failed(reason: string): void {
    if (this.#told.has(reason)) return;
    const where = this.#options.spool === undefined ? 'in memory' : 'in the spool';
    this.#tell(`${reason.replace(/\.?$/, '')}; events wait ${where}.`);
    this.#told.add(reason);
  }

  #recovered(what: string): void {
    const { dropped, waiting } = this.counts;
    this.#tell(`${what}; ${amount(waiting)} waiting${dropped > 0 ? `, ${dropped} dropped` : ''}.`);
    this.#told.clear();
    this.#dropping = false;
  }
}

const amount = (count: number) => (count === 1 ? '1 event' : `${count} events`);
