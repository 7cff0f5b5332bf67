/**
 * Alerts about incidents and silent nodes, shared by several readers. Every reader sees every event and finds the same
 * incidents; the bucket of incidents decides which of them has found it first, because a key can be created only once.
 * The consumer of the bucket gives each change to one reader, which sends it to the sinks and then acknowledges it. If that
 * reader dies before, another one gets it.
 */
import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { JsMsg } from '@nats-io/jetstream';
import type { KV } from '@nats-io/kv';
import type { NatsConnection } from '@nats-io/transport-node';
import type { LaneOptions } from '../alerts/lane.ts';
import { alertOf } from '../model/alert.ts';
import { OomscopeError } from '../model/error.ts';
import type { FleetIncident, FleetNode } from '../model/fleet.ts';
import { severities } from '../model/severity.ts';
import { connect, reasonOf } from '../nats/connect.ts';
import { loadNats } from '../nats/load.ts';
import { INCIDENTS } from '../nats/names.ts';
import { printable } from '../text/printable.ts';
import { type Fleet, openFleet } from './open-fleet.ts';
import type { FleetOptions } from './options.ts';
import { ALERTS_CONSUMER } from './setup.ts';

export interface AlertingOptions extends FleetOptions {
  /** Opened sinks. Their queues are not used: what is not delivered stays on the server. */
  sinks: readonly LaneOptions[];
  /** Called with sentences about deliveries; must not throw. */
  tell: (message: string) => void;
}

type Told = FleetIncident | FleetNode;

/** An incident that began in this time before the start is found again, and recognised by its entry in the bucket. */
const BACK_MS = 15 * 60_000;
const RETRY_MS = 5_000;

export class FleetAlerting implements AsyncDisposable {
  readonly fleet: Fleet;
  readonly #connection: NatsConnection;
  readonly #bucket: KV;
  readonly #options: AlertingOptions;
  readonly #stop = new AbortController();
  /** Sinks that have an alert already, while another sink does not take it. */
  readonly #delivered = new Map<string, Set<LaneOptions>>();
  readonly #refreshes: NodeJS.Timeout[] = [];
  #work: Promise<void> = Promise.resolve();
  #sending: Promise<void> = Promise.resolve();
  #endConsumer = async () => {};

  /** @throws OomscopeError USAGE, SERVER */
  static async open(options: AlertingOptions): Promise<FleetAlerting> {
    const { sinks: _, tell, ...reading } = options;
    const fleet = await openFleet({ sinceMs: BACK_MS, onTrouble: tell, ...reading });
    try {
      const connection = await connect(options, 'oomscope fleet alert');
      const { Kvm } = await loadNats();
      const bucket = await new Kvm(connection).open(INCIDENTS);
      const alerting = new FleetAlerting(options, fleet, connection, bucket);
      await alerting.#start();
      return alerting;
    } catch (error) {
      await fleet.close();
      if (error instanceof OomscopeError) throw error;
      const what = `the bucket ${INCIDENTS} or its consumer is missing: run \`oomscope fleet setup\` (${reasonOf(error)})`;
      throw new OomscopeError('SERVER', what, { cause: error });
    }
  }

  private constructor(options: AlertingOptions, fleet: Fleet, connection: NatsConnection, bucket: KV) {
    this.#options = options;
    this.fleet = fleet;
    this.#connection = connection;
    this.#bucket = bucket;
  }

  async close(): Promise<void> {
    this.#stop.abort();
    for (const timer of this.#refreshes) clearInterval(timer);
    await this.#endConsumer();
    await this.#sending;
    await this.fleet.close();
    await this.#work;
    // what is acknowledged or given back here must reach the server before the connection ends
    await this.#connection.flush().catch(() => {});
    for (const { sink, queue } of this.#options.sinks) {
      await sink.close?.();
      await queue?.close();
    }
    await this.#connection.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #start(): Promise<void> {
    const { jetstream } = await loadNats();
    const consumer = await jetstream(this.#connection).consumers.get(`KV_${INCIDENTS}`, ALERTS_CONSUMER);
    const messages = await consumer.consume({
      ...{ max_messages: 4, expires: 10_000, idle_heartbeat: 2_500 },
      callback: (message) => {
        this.#sending = this.#sending.then(() => this.#send(message)).catch(() => {});
      },
    });
    this.#endConsumer = async () => void (await messages.close().catch(() => {}));
    for (const { sink } of this.#options.sinks) {
      const { refresh } = sink;
      if (refresh) this.#refreshes.push(setInterval(() => void refresh.run(this.#stop.signal), refresh.everyMs));
    }
    const then = (step: () => Promise<void>) => {
      this.#work = this.#work.then(step).catch((error: unknown) => this.#options.tell(`fleet: ${reasonOf(error)}`));
    };
    this.fleet.incidents$.subscribe((incident) => {
      if (incident.state !== 'grown') then(() => this.#record(incident, incident.state === 'opened'));
    });
    this.fleet.nodes$.subscribe((change) => {
      if (change.state === 'silent' || change.state === 'twin') then(() => this.#record(change, true));
      else if (change.state === 'back' || change.state === 'left') then(() => this.#record(change, false));
    });
  }

  /** Writes the beginning or the end of a condition, unless another reader has. */
  async #record(told: Told, begins: boolean): Promise<void> {
    const key = keyOf(told);
    const entry = await this.#bucket.get(key);
    const known = entry?.operation === 'PUT' ? eventIn(entry.value) : undefined;
    const isOpen = known !== undefined && !isEnd(known);
    if (begins === isOpen || (!begins && !known)) return;
    const isSame = begins && told.type === 'fleet.incident' && known?.type === 'fleet.incident';
    if (isSame && Date.parse(told.since) <= Date.parse(known.until)) return; // found again after a restart
    // The end belongs to the incident that the bucket has, whose id another reader may have chosen.
    const id = known?.type === 'fleet.incident' && !begins ? { incident_id: known.incident_id } : {};
    const value = JSON.stringify({ ...told, ...id });
    const write = entry ? this.#bucket.update(key, value, entry.revision) : this.#bucket.create(key, value);
    await write.catch(() => {}); // another reader was faster
  }

  async #send(message: JsMsg): Promise<void> {
    if (this.#stop.signal.aborted) {
      message.nak(); // for another reader, at once
      return;
    }
    const event = eventIn(message.data);
    const alert = event && alertOf(event);
    if (!alert) {
      message.ack();
      return;
    }
    const done = this.#delivered.get(alert.id) ?? new Set();
    let mustRetry = false;
    for (const lane of this.#options.sinks) {
      const { sink, minimum = 'info' } = lane;
      if (done.has(lane) || severities.indexOf(alert.severity) < severities.indexOf(minimum)) continue;
      message.working();
      const timeout = AbortSignal.any([this.#stop.signal, AbortSignal.timeout(sink.timeoutMs ?? 10_000)]);
      const receipt = await sink
        .deliver(alert, timeout)
        .catch((error: Error) => ({ outcome: 'retry' as const, reply: printable(error.message) }));
      if (receipt.outcome === 'retry') mustRetry = true;
      else done.add(lane);
      if (receipt.outcome !== 'delivered')
        this.#options.tell(`${sink.name}: ${receipt.reply}${mustRetry ? '; trying again' : ''}.`);
      if (sink.everyMs !== undefined) await sleep(sink.everyMs);
    }
    if (mustRetry) {
      this.#delivered.set(alert.id, done);
      message.nak(RETRY_MS);
      return;
    }
    this.#delivered.delete(alert.id);
    message.ack();
  }
}

const isEnd = ({ state }: Told) => state === 'closed' || state === 'back' || state === 'left';

function keyOf(told: Told): string {
  const what =
    told.type === 'fleet.incident'
      ? ['incident', told.cluster, told.cause, told.name]
      : ['node', told.cluster, told.name, told.machine];
  return createHash('sha256').update(JSON.stringify(what)).digest('hex').slice(0, 32);
}

function eventIn(value: Uint8Array): Told | undefined {
  try {
    const event = JSON.parse(Buffer.from(value).toString()) as Told;
    return event.type === 'fleet.incident' || event.type === 'fleet.node' ? event : undefined;
  } catch {
    return undefined;
  }
}
