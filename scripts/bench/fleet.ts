/**
 * Measures the fleet on a real nats-server on loopback: rates of publishing and the time until the reader's handler, in turns
 * with a plain client; the memory of a node and of a reader; and how the server's memory grows with the number of nodes.
 *
 *   npm run bench:fleet -- [--events N] [--rounds N] [--kills N] [--nodes N]... [--out FILE]
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import type { OrderedConsumerOptions } from '@nats-io/jetstream';
import { openFleet } from '../../src/fleet/open-fleet.ts';
import { setUp } from '../../src/fleet/setup.ts';
import { connect } from '../../src/nats/connect.ts';
import { loadNats } from '../../src/nats/load.ts';
import { subjectOf } from '../../src/nats/names.ts';
import { Publisher } from '../../src/publish/publisher.ts';
import { IN_FLIGHT } from '../../src/publish/window.ts';
import { killAt } from '../../test/fleet/fleet-events.ts';
import { natsUnavailable, RealNats } from '../../test/publish/real-nats.ts';
import { kernelToReader, type Way } from './fleet-kills.ts';
import { memories } from './fleet-memory.ts';
import { footprint } from './process-figures.ts';
import { circumstances, inWords, summarize, table, writeJson } from './report.ts';

const { values } = parseArgs({
  options: {
    kills: { type: 'string', default: '60' },
    events: { type: 'string', default: '20000' },
    rounds: { type: 'string', default: '5' },
    nodes: { type: 'string', multiple: true, default: ['1000', '10000', '100000'] },
    out: { type: 'string' },
  },
});
const problem = natsUnavailable();
if (problem !== undefined) throw new Error(problem);
const EVENTS = Number(values.events);
const SIZE = Buffer.byteLength(JSON.stringify(killAt('x')));
const about = circumstances();
const LATENCIES = 2000;
const stages: Record<keyof Way, string> = {
  onNode: 'from the mark to the sending',
  toServer: 'until the server has stored it',
  toHandler: 'until the handler has it',
  whole: 'from the mark to the handler',
};

/** Both clients publish these events, and each makes the JSON of each event. */
const EVENT_LIST = Array.from({ length: EVENTS }, (_, i) => killAt(`event-${i}`));
/** More waiting events make neither client faster. */
const MOST_WAITING = 500;

interface Rate {
  name: string;
  perSecond: number;
  /** CPU time of this process for an event, which depends less on other work than the rate. */
  microseconds: number;
}

async function server(): Promise<RealNats> {
  const one = await RealNats.start();
  const connection = await connect({ servers: [one.url] }, 'bench');
  await setUp(connection, { perSubject: EVENTS * 4 });
  await connection.close();
  return one;
}

const residentMib = (pid: number | undefined) => footprint(pid ?? 0).rss_kib / 1024;

async function rate(name: string, run: (url: string) => Promise<void>): Promise<Rate> {
  await using one = await server();
  const began = performance.now();
  const cpu = process.cpuUsage();
  await run(one.url);
  const { user, system } = process.cpuUsage(cpu);
  const perSecond = EVENTS / ((performance.now() - began) / 1000);
  return { name, perSecond, microseconds: (user + system) / EVENTS };
}

async function publishCore(url: string): Promise<void> {
  const connection = await connect({ servers: [url] }, 'bench');
  for (const [i, event] of EVENT_LIST.entries()) {
    connection.publish('other.subject', JSON.stringify(event));
    if (i % 500 === 499) await connection.flush();
  }
  await connection.flush();
  await connection.close();
}

async function publishPlain(url: string): Promise<void> {
  const connection = await connect({ servers: [url] }, 'bench');
  const stream = (await loadNats()).jetstream(connection);
  const subject = subjectOf('bench', 'plain', 'oom.kill');
  const events = EVENT_LIST.values();
  const worker = async () => {
    for (const event of events) await stream.publish(subject, JSON.stringify(event), { msgID: event.id });
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, worker));
  await connection.close();
}

async function publishOurs(url: string, spool?: string): Promise<void> {
  const options = { servers: [url], node: 'bench', perSecond: 1e6, ...(spool !== undefined && { spool }) };
  await using publisher = await Publisher.open(options);
  for (const event of EVENT_LIST) {
    publisher.take(event);
    while (publisher.counts.waiting > MOST_WAITING) await sleep(1);
  }
  while (publisher.counts.waiting > 0) await sleep(1);
}

async function publishWithSpool(url: string): Promise<void> {
  const spool = mkdtempSync(join(tmpdir(), 'oomscope-bench-'));
  await publishOurs(url, spool).finally(() => rmSync(spool, { recursive: true }));
}

/** Medians of all rounds but the first, which loads and compiles code. */
async function rates(): Promise<Rate[]> {
  const ways: [string, (url: string) => Promise<void>][] = [
    ['core NATS, not acknowledged', publishCore],
    [`plain JetStream client, ${IN_FLIGHT} in flight`, publishPlain],
    [`oomscope, ${IN_FLIGHT} in flight, in order, in memory`, publishOurs],
    [`oomscope, ${IN_FLIGHT} in flight, in order, with a spool`, publishWithSpool],
  ];
  const all: Rate[] = [];
  for (let round = 0; round <= Number(values.rounds); round++)
    for (const [name, run] of ways) {
      const one = await rate(name, run);
      if (round > 0) all.push(one);
    }
  return ways.map(([name]) => {
    const own = all.filter((one) => one.name === name);
    const middle = (key: 'perSecond' | 'microseconds') => summarize(own.map((one) => one[key]))?.p50 ?? Number.NaN;
    return { name, perSecond: middle('perSecond'), microseconds: middle('microseconds') };
  });
}

interface Latencies {
  ours: number[];
  plain: number[];
}

/** From an event that was just made to the handler of a reader, in ms, in turns with a plain publisher and consumer. */
async function latencies(): Promise<Latencies> {
  await using one = await server();
  await using publisher = await Publisher.open({ servers: [one.url], node: 'bench', perSecond: 1e6 });
  await using fleet = await openFleet({ servers: [one.url] });
  const connection = await connect({ servers: [one.url] }, 'bench');
  const { jetstream, jetstreamManager } = await loadNats();
  await (await jetstreamManager(connection)).streams.add({ name: 'PLAIN', subjects: ['plain'] });
  const stream = jetstream(connection);
  const consumer = await stream.consumers.get('PLAIN', { deliver_policy: 'new' } as Partial<OrderedConsumerOptions>);
  const sent = new Map<string, number>();
  const found: Latencies = { ours: [], plain: [] };
  const arrive = (list: number[], id: string) => {
    const at = sent.get(id);
    if (at !== undefined) list.push(performance.now() - at);
  };
  fleet.events$.subscribe(({ event }) => arrive(found.ours, event.id));
  await consumer.consume({ callback: (message) => arrive(found.plain, message.json<{ id: string }>().id) });
  await sleep(1000);
  for (let i = 0; i < LATENCIES; i++) {
    const [ours, plain] = [killAt(`ours-${i}`), killAt(`plain-${i}`)];
    sent.set(ours.id, performance.now());
    publisher.take(ours);
    await sleep(2);
    sent.set(plain.id, performance.now());
    void stream.publish('plain', JSON.stringify(plain), { msgID: plain.id });
    await sleep(2);
  }
  while (found.ours.length < LATENCIES || found.plain.length < LATENCIES) await sleep(5);
  await connection.close();
  return found;
}

async function reading(): Promise<number> {
  await using one = await server();
  await publishOurs(one.url);
  await using fleet = await openFleet({ servers: [one.url], sinceMs: 3_600_000 });
  let count = 0;
  fleet.events$.subscribe(() => count++);
  const began = performance.now();
  await fleet.caughtUp;
  return count / ((performance.now() - began) / 1000);
}

/** The server's memory with one event and one state of each of so many nodes, and how long a reader needs for them. */
async function scale(nodes: number) {
  await using one = await server();
  const nats = await loadNats();
  const before = residentMib(one.pid);
  const connection = await connect({ servers: [one.url] }, 'bench');
  const stream = nats.jetstream(connection);
  const kill = killAt('x');
  let next = 0;
  const began = performance.now();
  const worker = async () => {
    while (next < nodes) {
      const i = next++;
      const id = `scale-${i}`;
      const headers = nats.headers();
      headers.set('Oomscope-Run', `run-${i}`);
      headers.set('Oomscope-Number', '0');
      const image = i % 100 < 5 ? 'leaky:2' : `app-${i % 50}`;
      const payload = JSON.stringify({ ...kill, id, node: `n${i}`, message: image });
      await stream.publish(subjectOf('bench', `n${i}`, 'oom.kill'), payload, { msgID: id, headers });
    }
  };
  await Promise.all(Array.from({ length: 64 }, worker));
  const perSecond = nodes / ((performance.now() - began) / 1000);
  const after = residentMib(one.pid);
  const info = await (await nats.jetstreamManager(connection)).streams.info('OOMSCOPE');
  await connection.close();
  const fleet = await openFleet({ servers: [one.url], sinceMs: 3_600_000 });
  const start = performance.now();
  fleet.start();
  await fleet.caughtUp;
  const readSeconds = (performance.now() - start) / 1000;
  const stateBytes = JSON.stringify(fleet.state()).length;
  await fleet.close();
  return { nodes, perSecond, before, after, stored: info.state.bytes / nodes, readSeconds, stateBytes };
}

/** The ways of real kills from the kernel's mark to the reader's handler. 0 kills: not measured. */
async function kills(realtime: boolean): Promise<Way[]> {
  if (Number(values.kills) === 0) return [];
  await using one = await server();
  return await kernelToReader(one, { kills: Number(values.kills), realtime });
}

const ways = [
  { about: 'real kill', ways: await kills(false) },
  { about: 'the same at real-time priority', ways: await kills(true) },
];
const measuredRates = await rates();
const found = await latencies();
const readerRate = await reading();
const memory = await memories();
const scales = [];
for (const nodes of values.nodes) scales.push(await scale(Number(nodes)));
const whole = (value: number) => String(Math.round(value));
const plainRate = measuredRates[1] as Rate;
const times = (value: number) => value.toFixed(2);
const inMs = (name: string, list: readonly number[]) => {
  const all = summarize(list);
  return [name, ...[all?.p50, all?.p90, all?.p99, all?.max].map((value) => value?.toFixed(2) ?? '-')];
};
const kernelRows = ways.flatMap(({ about, ways }) =>
  (['onNode', 'toServer', 'toHandler', 'whole'] as const).map((key) =>
    inMs(
      `${about}: ${stages[key]}`,
      ways.map((way) => way[key]),
    ),
  ),
);
about.load_after = loadavg();
process.stdout.write(
  [
    `${inWords(about)}\n`,
    `An event has ${SIZE} bytes. ${EVENTS} events in each run, ${values.rounds} runs in turns; one server on loopback, file storage.\n\n`,
    table([
      ['publishing', 'events/s', 'CPU, µs an event', 'CPU, times the plain client', 'its rate, times ours'],
      ...measuredRates.map(({ name, perSecond, microseconds }) => [
        ...[name, whole(perSecond), whole(microseconds)],
        ...[times(microseconds / plainRate.microseconds), times(plainRate.perSecond / perSecond)],
      ]),
    ]),
    `\nReading: ${whole(readerRate)} events/s, ordered and each once.\n\n`,
    table([
      ['until the handler of the reader, ms', 'p50', 'p90', 'p99', 'max'],
      inMs(`plain client: from publish(), ${found.plain.length} events in turns`, found.plain),
      inMs(`oomscope: from take(), ${found.ours.length} events in turns`, found.ours),
      ...(Number(values.kills) > 0 ? kernelRows : []),
    ]),
    '\n',
    table([
      ['memory after 20 kills, MiB', 'anonymous', 'proportional', 'resident'],
      ...memory.map(({ name, anonymous_kib, pss_kib, rss_kib }) => [
        name,
        ...[anonymous_kib, pss_kib, rss_kib].map((kib) => (kib / 1024).toFixed(1)),
      ]),
    ]),
    '\n',
    table([
      [
        'nodes',
        'publishes/s',
        'server before, MiB',
        'server after, MiB',
        'stored bytes/event',
        'reader, s',
        'state of the reader, kB',
      ],
      ...scales.map((one) => [
        ...[one.nodes, one.perSecond, one.before, one.after, one.stored].map(whole),
        one.readSeconds.toFixed(1),
        whole(one.stateBytes / 1000),
      ]),
    ]),
  ].join(''),
);
writeJson(values.out, { about, measuredRates, readerRate, found, ways, memory, scales });
