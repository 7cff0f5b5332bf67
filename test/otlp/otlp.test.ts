import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterEach, describe, expect, it } from 'vitest';
import { ownerOf } from '../../src/containers/container-path.ts';
import { Metrics } from '../../src/metrics/metrics.ts';
import type { OomKill } from '../../src/model/events.ts';
import type { OtlpOptions } from '../../src/otlp/endpoint.ts';
import { OtlpExporter } from '../../src/otlp/exporter.ts';
import { logRecordOf, unixNano } from '../../src/otlp/log-record.ts';
import { metricsOf } from '../../src/otlp/metric-points.ts';
import { encode, partialSuccess } from '../../src/otlp/protobuf.ts';
import { LogsRequest, type Message, MetricsRequest } from '../../src/otlp/schema.ts';
import { eventsOfType, recordings } from '../../src/testing/index.ts';
import { HOSTILE } from '../alerts/alerts.ts';
import { until } from '../alerts/receiver.ts';
import { ROOT } from '../cli/cli.ts';

const PROTOS = join(ROOT, 'build/test-packages/usr/include');
const hasProtoc = existsSync(join(PROTOS, 'opentelemetry')) && spawnSync('protoc', ['--version']).status === 0;
const all = [...recordings.containerKill, ...recordings.groupKill, ...recordings.pressureEpisode];
const [kill] = eventsOfType(recordings.containerKill, 'oom.kill') as [OomKill];
const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

const logs = (events: readonly (typeof all)[0][]) => ({
  resourceLogs: [
    { resource: { attributes: [] }, scopeLogs: [{ logRecords: events.map((each) => logRecordOf(each, 5)) }] },
  ],
});

function counted(): Metrics {
  const metrics = new Metrics({ sources: { ownerOf }, cgroups: undefined });
  for (const event of all) metrics.take(event);
  return metrics;
}

/** What the compiler of protobuf reads by the official description. A field that it does not know has a number as name. */
function decoded(name: 'logs' | 'metrics', message: Message, value: object): string {
  const kind = name === 'logs' ? 'Logs' : 'Metrics';
  const { status, stdout, stderr } = spawnSync(
    'protoc',
    [
      `--decode=opentelemetry.proto.collector.${name}.v1.Export${kind}ServiceRequest`,
      `-I${PROTOS}`,
      `opentelemetry/proto/collector/${name}/v1/${name}_service.proto`,
    ],
    { input: encode(message, value), encoding: 'utf8', maxBuffer: 2 ** 26 },
  );
  expect(stderr).toBe('');
  expect(status).toBe(0);
  expect(stdout).not.toMatch(/^\s*\d+[:\s{]/m);
  return stdout;
}

describe.skipIf(!hasProtoc)('protobuf, read by protoc with the official description', () => {
  it('has every event with its name, time, severity and attributes', () => {
    const text = decoded('logs', LogsRequest, logs(all));
    const names = [...text.matchAll(/event_name: "(.*)"/g)].map(([, name]) => name);
    expect(names).toEqual(all.map(({ type }) => `oomscope.${type}`));
    const times = [...text.matchAll(/ {6}time_unix_nano: (\d+)/g)].map(([, time]) => time);
    expect(times).toEqual(all.map(({ time }) => unixNano(time)));
    expect(text).toContain('severity_number: SEVERITY_NUMBER_ERROR');
    for (const key of ['process.pid', 'process.executable.name', 'container.id', 'oomscope.event_id', 'oomscope.scope'])
      expect(text).toContain(`key: "${key}"`);
    expect(text).not.toMatch(/key: "[^"]*cmdline/);
  });

  it('has hostile names, large and negative numbers unchanged', () => {
    const victim = { ...kill.victim, comm: HOSTILE, oom_score_adj: -1000, pid: 4_194_304 };
    const text = decoded('logs', LogsRequest, logs([{ ...kill, victim, badness_pages: -(2 ** 52) }]));
    expect(text).toContain(`int_value: ${-(2 ** 52)}`);
    expect(text).toContain('int_value: -1000');
    expect(text).toContain('int_value: 4194304');
    expect(text).toContain('string_value: "x\\n<6>y\\"');
  });

  it('has every metric, with the values of the registry', () => {
    const metrics = counted();
    const text = decoded('metrics', MetricsRequest, {
      resourceMetrics: [{ scopeMetrics: [{ metrics: metricsOf(metrics.read(), 1_700_000_000_000) }] }],
    });
    const names = [...text.matchAll(/^ {6}name: "(.*)"/gm)].map(([, name]) => name);
    expect(names).toEqual([...metrics.registry.entries()].map(([{ name }]) => name.replace('_', '.')));
    expect(text).toContain('aggregation_temporality: AGGREGATION_TEMPORALITY_CUMULATIVE');
    expect(text).toContain('is_monotonic: true');
    expect(text).toMatch(/filtered_attributes \{\s+key: "event_id"/);
    const kills = eventsOfType(all, 'oom.reaped').filter((each) => each.mark_to_memory_back_ns !== null).length;
    expect(text).toMatch(new RegExp(`count: ${kills}\n`));
    expect(text.match(/explicit_bounds/g)?.length).toBe(17);
  });
});

describe('the answer of a receiver', () => {
  it('says how many records it rejected', () => {
    const answer = Buffer.from([0x0a, 0x06, 0x08, 0x03, 0x12, 0x02, 0x6e, 0x6f]);
    expect(partialSuccess(answer)).toEqual({ rejected: 3, message: 'no' });
    expect(partialSuccess(Buffer.alloc(0))).toBeUndefined();
  });

  it('of any bytes never throws', () => {
    for (let i = 0; i < 2_000; i++) {
      const bytes = Buffer.from(
        Array.from({ length: i % 20 }, (_, at) => (i * 31 + at * 97 + ((i * at) % 251)) & 0xff),
      );
      expect(() => partialSuccess(bytes)).not.toThrow();
    }
  });
});

interface Got {
  path: string;
  headers: IncomingMessage['headers'];
  body: Buffer;
}

/** A receiver whose answers the test chooses. */
async function receiver(answer: (got: Got, number: number) => { status: number; headers?: object; body?: string }) {
  const got: Got[] = [];
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const one = { path: request.url ?? '', headers: request.headers, body: Buffer.concat(chunks) };
    got.push(one);
    const { status, headers = {}, body = '' } = answer(one, got.length);
    response.writeHead(status, { ...headers }).end(body);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closing.push(
    () => server.closeAllConnections(),
    () => server.close(),
  );
  return { got, endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
}

function exporter(options: OtlpOptions, metrics?: Metrics) {
  const said: string[] = [];
  const one = new OtlpExporter(options, metrics, (note) => said.push(note));
  one.start();
  return { one, said };
}

const namesIn = (body: Buffer) =>
  (
    JSON.parse(body.toString()) as { resourceLogs: { scopeLogs: { logRecords: { eventName: string }[] }[] }[] }
  ).resourceLogs
    .flatMap(({ scopeLogs }) => scopeLogs.flatMap(({ logRecords }) => logRecords))
    .map(({ eventName }) => eventName);

describe('the exporter', () => {
  const json = { protocol: 'http/json', gzip: false } as const;

  it('sends protobuf by default, compressed, with the headers that the user gives', async () => {
    const { got, endpoint } = await receiver(() => ({ status: 200 }));
    const { one } = exporter({ endpoint: `${endpoint}/otlp/`, headers: 'api-key=s%3Dcret, x=y' });
    one.take(kill);
    await until(() => got.length === 1);
    expect(got[0]).toMatchObject({
      path: '/otlp/v1/logs',
      headers: { 'content-type': 'application/x-protobuf', 'content-encoding': 'gzip', 'api-key': 's=cret', x: 'y' },
    });
    expect(gunzipSync((got[0] as Got).body).includes('oomscope.oom.kill')).toBe(true);
    await one.close();
    expect(one.counts).toEqual({ sent: 1, lost: 0, waiting: 0 });
  });

  it('sends JSON on request, several events at once, and only those that are wanted', async () => {
    const { got, endpoint } = await receiver(() => ({ status: 200 }));
    const { one } = exporter({ endpoint, ...json, events: ['oom.*'] });
    for (const event of all) one.take(event);
    const expected = all.filter(({ type }) => type.startsWith('oom.')).map(({ type }) => `oomscope.${type}`);
    await until(() => got.flatMap(({ body }) => namesIn(body)).length === expected.length);
    expect(got).toHaveLength(1);
    expect(namesIn((got[0] as Got).body)).toEqual(expected);
    await one.close();
  });

  it('tries again when the receiver asks for it, as late as it asks, and says so once', async () => {
    const { got, endpoint } = await receiver((_, number) =>
      number <= 2 ? { status: 503, headers: { 'retry-after': '1' }, body: 'busy' } : { status: 200 },
    );
    const { one, said } = exporter({ endpoint, ...json });
    one.take(kill);
    await until(() => one.counts.sent === 1, 20_000);
    expect(got).toHaveLength(3);
    expect(new Set(got.map(({ body }) => body.toString())).size).toBe(1);
    expect(said).toEqual(['otlp: logs: 503 busy; trying again.', 'otlp: logs are taken again.']);
    await one.close();
  });

  it('says once that logs fail, also while metrics fail in another way', async () => {
    const { endpoint } = await receiver(({ path }) => ({ status: 503, body: path.endsWith('logs') ? 'busy' : 'full' }));
    const { one, said } = exporter({ endpoint, ...json }, new Metrics({ sources: { ownerOf }, cgroups: undefined }));
    one.take(kill);
    await until(() => said.length === 1);
    await one.exportMetrics();
    one.take(kill);
    await one.close(); // sends both once more
    expect(said.slice(0, 2)).toEqual(['otlp: logs: 503 busy; trying again.', 'otlp: metrics: 503 full; trying again.']);
    expect(said.filter((sentence) => sentence.includes('503'))).toHaveLength(2);
  });

  it('does not repeat what was refused or rejected, and counts it', async () => {
    const { got, endpoint } = await receiver((_, number) =>
      number === 1
        ? { status: 400, body: 'bad' }
        : { status: 200, body: '{"partialSuccess":{"rejectedLogRecords":"1","errorMessage":"too old"}}' },
    );
    const { one, said } = exporter({ endpoint, ...json });
    one.take(kill);
    await until(() => one.counts.lost === 1);
    one.take(kill);
    await until(() => one.counts.lost === 2);
    expect(got).toHaveLength(2);
    expect(said).toEqual(['otlp: logs: 400 bad; they are lost.', 'otlp: logs: 200 too old; 1 were rejected.']);
    await one.close();
  });

  it('keeps logs in its spool, and the next process sends them', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'oomscope-otlp-'));
    closing.push(() => rmSync(directory, { recursive: true }));
    const spool = join(directory, 'spool');
    const first = exporter({ endpoint: 'http://127.0.0.1:1', ...json, spool });
    first.one.take(kill);
    await first.one.close();
    expect(readdirSync(spool).filter((name) => name.endsWith('.json'))).toHaveLength(1);
    const { got, endpoint } = await receiver(() => ({ status: 200 }));
    const second = exporter({ endpoint, ...json, spool });
    await until(() => got.length === 1);
    await second.one.close();
    expect(namesIn((got[0] as Got).body)).toEqual(['oomscope.oom.kill']);
    expect(readdirSync(spool)).toEqual([]);
  });

  it('refuses wrong options, and never shows the headers', async () => {
    expect(() => exporter({ endpoint: 'ftp://x/secret' })).toThrow(/^otlp: expected an endpoint such as[^s]*$/);
    const doubled = { endpoint: 'http://secret:4318/v1/logs' };
    expect(() => exporter(doubled)).toThrow('otlp: expected an endpoint without /v1/logs, which oomscope adds.');
    expect(() => exporter({ endpoint: 'http://x', headers: 'no value' })).toThrow(/expected "name=value,name=value"/);
    const { endpoint } = await receiver(({ headers }) => ({ status: 401, body: `key ${headers['api-key']} is wrong` }));
    const { one, said } = exporter({ endpoint, ...json, headers: 'api-key=topsecret1' });
    one.take(kill);
    await until(() => said.length > 0);
    expect(said[0]).toBe('otlp: logs: 401 key … is wrong; they are lost.');
    await one.close();
  });
});
