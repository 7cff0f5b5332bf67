/**
 * Measures the fleet on a real nats-server on loopback: rates of publishing beside a plain client, the time from an event
 * to the reader's handler, memory, and how the server's memory grows with the number of nodes.
 *
 *   npm run bench:fleet -- [--events N] [--kills N] [--nodes N]... [--out FILE]
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { openFleet } from '../../src/fleet/open-fleet.ts';
import { setUp } from '../../src/fleet/setup.ts';
import { connect } from '../../src/nats/connect.ts';
import { loadNats } from '../../src/nats/load.ts';
import { subjectOf } from '../../src/nats/names.ts';
import { Publisher } from '../../src/publish/publisher.ts';
import { killAt } from '../../test/fleet/fleet-events.ts';
import { natsUnavailable, RealNats } from '../../test/publish/real-nats.ts';
import { kernelToReader } from './fleet-kills.ts';
import { circumstances, inWords, summarize, table, writeJson } from './report.ts';

const { values } = parseArgs({
  options: {
    kills: { type: 'string', default: '60' },
    events: { type: 'string', default: '20000' },
    nodes: { type: 'string', multiple: true, default: ['1000', '10000', '100000'] },
    out: { type: 'string' },
  },
});
const problem = natsUnavailable();
if (problem !== undefined) throw new Error(problem);
const EVENTS = Number(values.events);
const SIZE = Buffer.byteLength(JSON.stringify(killAt('x')));
const about = circumstances();

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

const residentMib = (pid: number | undefined) =>
  Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024;

async function rate(name: string, run: (url: string) => Promise<void>): Promise<Rate> {
  await using one = await server();
  const began = performance.now();
  const cpu = process.cpuUsage();
  await run(one.url);
  const { user, system } = process.cpuUsage(cpu);
  const perSecond = EVENTS / ((performance.now() - began) / 1000);
  return { name, perSecond, microseconds: (user + system) / EVENTS };
}

async function publishAll(url: string, spool?: string): Promise<void> {
  const options = { servers: [url], node: 'bench', perSecond: 100_000, ...(spool !== undefined && { spool }) };
  await using publisher = await Publisher.open(options);
  for (let i = 0; i < EVENTS; i++) {
    publisher.take(killAt(`ours-${i}`));
    if (i % 200 === 199) while (publisher.counts.waiting > 2000) await sleep(1);
  }
  while (publisher.counts.waiting > 0) await sleep(1);
}

async function rates(): Promise<Rate[]> {
  const nats = await loadNats();
  const payload = JSON.stringify(killAt('x'));
  return [
    await rate('core NATS, not acknowledged', async (url) => {
      const connection = await connect({ servers: [url] }, 'bench');
      for (let i = 0; i < EVENTS; i++) {
        connection.publish('other.subject', payload);
        if (i % 500 === 499) await connection.flush();
      }
      await connection.flush();
      await connection.close();
    }),
    await rate('plain JetStream client, 64 in flight', async (url) => {
      const connection = await connect({ servers: [url] }, 'bench');
      const stream = nats.jetstream(connection);
      let next = 0;
      const worker = async () => {
        while (next < EVENTS) {
          const i = next++;
          await stream.publish(subjectOf('bench', 'plain', 'oom.kill'), payload, { msgID: `plain-${i}` });
        }
      };
      await Promise.all(Array.from({ length: 64 }, worker));
      await connection.close();
    }),
    await rate('oomscope, 64 in flight, acknowledged, in order', (url) => publishAll(url)),
    await rate('oomscope with a spool', async (url) => {
      const spool = mkdtempSync(join(tmpdir(), 'oomscope-bench-'));
      await publishAll(url, spool).finally(() => rmSync(spool, { recursive: true }));
    }),
  ];
}

/** From the call of take(), with the event just made, to the handler of a reader, in ms. */
async function latencies(): Promise<{ latency: number[]; readerRate: number }> {
  await using one = await server();
  await using publisher = await Publisher.open({ servers: [one.url], node: 'bench', perSecond: 100_000 });
  const fleet = await openFleet({ servers: [one.url] });
  const sent = new Map<string, number>();
  const latency: number[] = [];
  fleet.events$.subscribe(({ event }) => {
    const at = sent.get(event.id);
    if (at !== undefined) latency.push(performance.now() - at);
  });
  await sleep(1000);
  for (let i = 0; i < 2000; i++) {
    const kill = killAt(`latency-${i}`);
    sent.set(kill.id, performance.now());
    publisher.take(kill);
    await sleep(2);
  }
  while (latency.length < 2000) await sleep(5);
  await fleet.close();
  for (let i = 0; i < EVENTS; i++) {
    publisher.take(killAt(`read-${i}`));
    if (i % 200 === 199) while (publisher.counts.waiting > 2000) await sleep(1);
  }
  while (publisher.counts.waiting > 0) await sleep(1);
  const again = await openFleet({ servers: [one.url], sinceMs: 3_600_000 });
  let count = 0;
  again.events$.subscribe(() => count++);
  const began = performance.now();
  await again.caughtUp;
  const readerRate = count / ((performance.now() - began) / 1000);
  await again.close();
  return { latency, readerRate };
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

/** From the kernel's mark of a real kill on a node to the reader's handler, in ms. 0 kills: not measured. */
async function kills(): Promise<number[]> {
  if (Number(values.kills) === 0) return [];
  await using one = await server();
  return (await kernelToReader(one.url, Number(values.kills))).map(({ whole }) => whole);
}

const fromKernel = summarize(await kills());
const measuredRates = await rates();
const { latency, readerRate } = await latencies();
const scales = [];
for (const nodes of values.nodes) scales.push(await scale(Number(nodes)));
const whole = (value: number) => String(Math.round(value));
const ms = summarize(latency);
process.stdout.write(
  [
    `${inWords(about)}\n`,
    `An event has ${SIZE} bytes. ${EVENTS} events in each run; one server on loopback, file storage.\n\n`,
    table([
      ['publishing', 'events/s', 'CPU, µs an event'],
      ...measuredRates.map(({ name, perSecond, microseconds }) => [name, whole(perSecond), whole(microseconds)]),
    ]),
    `\nReading: ${whole(readerRate)} events/s, ordered and each once.\n`,
    `From take() to the reader's handler: p50 ${ms?.p50.toFixed(2)} ms, p99 ${ms?.p99.toFixed(2)} ms, max ${ms?.max.toFixed(2)} ms.\n`,
    fromKernel
      ? `From the kernel's mark of ${fromKernel.count} real kills to the reader's handler: p50 ${fromKernel.p50.toFixed(2)} ms, p99 ${fromKernel.p99.toFixed(2)} ms, max ${fromKernel.max.toFixed(2)} ms.\n`
      : '',
    `This process with publisher and reader: ${whole(residentMib(process.pid))} MiB.\n\n`,
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
writeJson(values.out, { about, measuredRates, readerRate, latency: ms, fromKernel, scales });
