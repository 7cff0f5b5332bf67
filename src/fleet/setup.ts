/**
 * Makes or checks what the fleet needs on the server: the stream of events, the buckets, and the consumer of alerts.
 * Running it again changes nothing.
 */
import type { JetStreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import { OomscopeError } from '../model/error.ts';
import { reasonOf } from '../nats/connect.ts';
import { loadNats } from '../nats/load.ts';
import { INCIDENTS, STREAM } from '../nats/names.ts';
import {
  bucketShapes,
  type Change,
  changesOf,
  type SetupOptions,
  STREAM_TITLE,
  type StreamValues,
  show,
  streamShape,
} from './shape.ts';

/** The consumer through which the readers of `fleet alert` share the incidents. */
export const ALERTS_CONSUMER = 'oomscope-alerts';
/** An incident that a reader has taken but not reported as sent is given to another one after this time (ms). */
const ALERT_WAIT_MS = 20_000;

export interface SetupMode {
  /** Change nothing, only say what would change. */
  dryRun?: boolean;
  /** Also apply changes after which the server may discard events. */
  shrink?: boolean;
}

/** One thing on the server, and what was or would be done with it. */
export interface SetupStep {
  what: string;
  done: 'made' | 'changed' | 'unchanged' | 'missing' | 'differs';
  changes: Change[];
}

interface Thing {
  what: string;
  /** The name of its stream. */
  name: string;
  present: StreamValues | undefined;
  wanted: StreamValues;
  make: () => Promise<unknown>;
}

/**
 * @throws OomscopeError SERVER: the server refuses; USAGE: a present stream has another shape, or a change would discard
 *   events and `shrink` is not given. Then nothing was changed.
 */
export async function setUp(
  connection: NatsConnection,
  options: SetupOptions,
  mode: SetupMode = {},
): Promise<SetupStep[]> {
  const nats = await loadNats();
  try {
    const manager = await nats.jetstreamManager(connection);
    const things = await thingsOf(connection, manager, options);
    for (const thing of things) refuse(thing, mode);
    const steps: SetupStep[] = [];
    for (const thing of things) steps.push(await apply(manager, thing, mode));
    steps.push(await consumer(manager, mode));
    return steps;
  } catch (error) {
    if (error instanceof OomscopeError) throw error;
    throw new OomscopeError('SERVER', `fleet setup: ${refusalOf(error)}`, { cause: error });
  }
}

async function thingsOf(
  connection: NatsConnection,
  manager: JetStreamManager,
  options: SetupOptions,
): Promise<Thing[]> {
  const { Kvm } = await loadNats();
  const buckets = new Kvm(connection);
  const present = await configOf(manager, STREAM);
  const wanted = streamShape(options, present);
  const known: Record<string, StreamValues | undefined> = {};
  for (const { bucket } of bucketShapes(options, {})) known[bucket] = await configOf(manager, `KV_${bucket}`);
  return [
    {
      ...{ what: STREAM_TITLE, name: STREAM, present, wanted },
      make: () => manager.streams.add({ name: STREAM, ...wanted } as Parameters<typeof manager.streams.add>[0]),
    },
    ...bucketShapes(options, known).map(({ bucket, values }) => ({
      ...{ what: `bucket ${bucket}`, name: `KV_${bucket}`, present: known[bucket], wanted: values },
      make: () =>
        buckets.create(bucket, { history: 8, ttl: (values.max_age ?? 0) / 1e6, replicas: values.num_replicas ?? 1 }),
    })),
  ];
}

/** @throws OomscopeError USAGE */
function refuse({ what, present, wanted }: Thing, { shrink = false, dryRun = false }: SetupMode): void {
  if (!present || dryRun) return;
  const changes = changesOf(present, wanted);
  const impossible = changes.filter(({ kind }) => kind === 'impossible');
  if (impossible.length > 0) {
    const text = `${what} exists with another shape (${sentence(impossible)}), and a server cannot change that`;
    throw new OomscopeError(
      'USAGE',
      `${text}: remove it, for example with \`nats stream rm\`, or use another account.`,
    );
  }
  const smaller = changes.filter(({ kind }) => kind === 'shrinks');
  if (smaller.length === 0 || shrink) return;
  const text = `${what}: ${sentence(smaller)}: the server may discard events at once`;
  throw new OomscopeError('USAGE', `${text}. Give --shrink if you want this.`);
}

export const sentence = (changes: readonly Change[]): string =>
  changes.map(({ name, from, to }) => `${name} ${from} → ${to}`).join(', ');

async function apply(manager: JetStreamManager, thing: Thing, { dryRun = false }: SetupMode): Promise<SetupStep> {
  const { what, name, present, wanted, make } = thing;
  if (!present) {
    const changes = (Object.keys(wanted) as (keyof StreamValues)[]).map(
      (key): Change => ({ name: key, from: 'none', to: show(key, wanted[key]), kind: 'plain' }),
    );
    if (dryRun) return { what, done: 'missing', changes };
    await make();
    return { what, done: 'made', changes };
  }
  const changes = changesOf(present, wanted);
  if (changes.length === 0) return { what, done: 'unchanged', changes };
  if (dryRun) return { what, done: 'differs', changes };
  const only = Object.fromEntries(changes.map(({ name: key }) => [key, wanted[key]]));
  await manager.streams.update(name, only);
  return { what, done: 'changed', changes };
}

async function consumer(manager: JetStreamManager, { dryRun = false }: SetupMode): Promise<SetupStep> {
  const what = `consumer ${ALERTS_CONSUMER}`;
  const stream = `KV_${INCIDENTS}`;
  const there = await manager.consumers.info(stream, ALERTS_CONSUMER).then(
    () => true,
    () => false,
  );
  if (there) return { what, done: 'unchanged', changes: [] };
  if (dryRun) return { what, done: 'missing', changes: [] };
  await manager.consumers.add(stream, {
    ...{ durable_name: ALERTS_CONSUMER, ack_policy: 'explicit', deliver_policy: 'all' },
    ...{ ack_wait: ALERT_WAIT_MS * 1e6, max_ack_pending: 16 },
  });
  return { what, done: 'made', changes: [] };
}

async function configOf(manager: JetStreamManager, name: string): Promise<StreamValues | undefined> {
  try {
    return (await manager.streams.info(name)).config as unknown as StreamValues;
  } catch (error) {
    if ((error as { code?: unknown }).code === 10059) return undefined;
    throw error;
  }
}

function refusalOf(error: unknown): string {
  const { code, message } = error as { code?: unknown; message: string };
  if (code === 10065) return `another stream takes the same subjects (${message}): remove it, or use another account.`;
  if (code === 10047 || code === 10028)
    return `the server has no room for this (${message}): give a smaller --bytes, or raise its limits.`;
  if (code === 10074 || code === 10005)
    return `the server has no cluster for so many replicas (${message}): give --replicas 1, or start more servers.`;
  return reasonOf(error);
}

export interface Permissions {
  publish: string[];
  subscribe: string[];
}

/** What an account must permit to a node: its own events and its own state, and nothing else. */
export const nodePermissions = (cluster: string, node: string): Permissions => ({
  publish: [`oomscope.v1.${cluster}.${node}.>`, `$KV.oomscope_nodes.${cluster}.${node}.>`],
  subscribe: [`_INBOX.${cluster}.${node}.>`],
});

/** What an account must permit to a reader of the fleet. */
export const readerPermissions: Permissions = {
  publish: [
    ...['$JS.API.INFO', '$JS.API.STREAM.INFO.*', '$JS.API.STREAM.MSG.GET.*', '$JS.API.DIRECT.GET.>'],
    ...['$JS.API.CONSUMER.>', '$JS.ACK.>', '$KV.oomscope_incidents.>'],
  ],
  subscribe: ['_INBOX.>'],
};
