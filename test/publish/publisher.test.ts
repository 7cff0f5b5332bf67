import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { setUp } from '../../src/fleet/setup.ts';
import type { Event, OomKill } from '../../src/model/events.ts';
import { connect } from '../../src/nats/connect.ts';
import { loadNats } from '../../src/nats/load.ts';
import { STREAM, token } from '../../src/nats/names.ts';
import type { PublishOptions } from '../../src/publish/options.ts';
import { Publisher } from '../../src/publish/publisher.ts';
import { eventsOfType, recordings } from '../../src/testing/recordings.ts';
import { withChanges } from '../../src/testing/with-changes.ts';
import { natsUnavailable, patiently, RealNats, TcpProxy } from './real-nats.ts';

const [sample] = eventsOfType(recordings.containerKill, 'oom.kill');

let made = 0;
function kill(changes: object = {}): OomKill {
  const id = `publisher-test-${made++}`;
  return withChanges(sample as OomKill, { id, ...changes }) as OomKill;
}

interface StoredMessage {
  subject: string;
  headers: Record<string, string>;
  event: Event;
}

/** Reads everything that the stream has. */
async function stored(server: { url: string }): Promise<StoredMessage[]> {
  const nats = await loadNats();
  const connection = await connect({ servers: [server.url] }, 'test');
  try {
    const manager = await nats.jetstreamManager(connection);
    const { state } = await manager.streams.info(STREAM);
    const found: StoredMessage[] = [];
    for (let seq = state.first_seq; seq <= state.last_seq; seq++) {
      const message = await manager.streams.getMessage(STREAM, { seq });
      if (!message) continue;
      const headers = Object.fromEntries([...message.header].map(([name, values]) => [name, values[0] ?? '']));
      found.push({ subject: message.subject, headers, event: message.json() });
    }
    return found;
  } finally {
    await connection.close();
  }
}

async function setUpAt(server: { url: string }): Promise<void> {
  const connection = await connect({ servers: [server.url] }, 'test');
  await setUp(connection, {});
  await connection.close();
}

const ids = (messages: StoredMessage[]) => messages.map(({ event }) => event.id);

describe.skipIf(natsUnavailable())('publishing to a real nats-server', () => {
  let server: RealNats;
  let directory: string;
  const said: string[] = [];
  const opened: Publisher[] = [];

  beforeAll(async () => {
    server = await RealNats.start();
    directory = mkdtempSync(join(tmpdir(), 'oomscope-publish-'));
  });
  afterEach(async () => {
    for (const one of opened.splice(0)) await one.close(0);
    await server.stop();
    said.length = 0;
    rmSync(directory, { recursive: true, force: true });
    server = await RealNats.start();
    directory = mkdtempSync(join(tmpdir(), 'oomscope-publish-'));
  });
  afterAll(async () => {
    await server.stop();
    rmSync(directory, { recursive: true, force: true });
  });

  async function open(options: Partial<PublishOptions> = {}): Promise<Publisher> {
    const publisher = await Publisher.open({ servers: [server.url], ...options }, (message) => said.push(message));
    opened.push(publisher);
    return publisher;
  }
  const allSent = (publisher: Publisher) => patiently(() => publisher.counts.waiting === 0);

  test('an event arrives once, under the name of its node, with the headers of CloudEvents', async () => {
    await setUpAt(server);
    const publisher = await open({ cluster: 'prod', node: 'web-1' });
    const event = kill();
    publisher.take(event);
    publisher.take(event);
    await allSent(publisher);
    const [message, ...more] = await stored(server);
    expect(more).toEqual([]);
    expect(message?.subject).toMatch(/^oomscope\.p\.\d+\.prod\.web-1\.oom\.kill$/);
    expect(message?.event).toEqual(JSON.parse(JSON.stringify(event)));
    expect(message?.headers).toMatchObject({
      'Nats-Msg-Id': event.id,
      'ce-id': event.id,
      'ce-type': 'oomscope.oom.kill',
      'ce-time': event.time,
      'ce-specversion': '1.0',
    });
    expect(publisher.counts.published).toBe(2);
  });

  test('the event of a rehearsal is not published, counted or numbered, and counts for no storm', async () => {
    await setUpAt(server);
    const publisher = await open({ perSecond: 1 });
    for (let i = 0; i < 100; i++) publisher.rehearse(kill());
    const event = kill();
    publisher.take(event);
    await allSent(publisher);
    const messages = await stored(server);
    expect(ids(messages)).toEqual([event.id]);
    expect(messages[0]?.headers).toMatchObject({ 'Oomscope-Number': '0', 'Oomscope-Settled': '0' });
    expect(publisher.counts).toEqual({ published: 1, folded: 0, dropped: 0, waiting: 0 });
  });

  test('a name with dots becomes one token of the subject', async () => {
    await setUpAt(server);
    const publisher = await open({ node: 'web-1.example.org' });
    publisher.take(kill());
    await allSent(publisher);
    const [message] = await stored(server);
    expect(message?.subject.split('.')[4]).toBe(token('web-1.example.org', 'node'));
    expect(message?.headers['ce-source']).toBe('/oomscope/web-1.example.org');
  });

  test('events wait in the spool while there is no server, also across a restart, and are sent in order', async () => {
    await setUpAt(server);
    await server.down();
    const spool = join(directory, 'spool');
    const events = Array.from({ length: 300 }, () => kill());
    const first = await open({ spool, perSecond: 1000 });
    for (const event of events.slice(0, 200)) first.take(event);
    await patiently(() => said.some((message) => message.includes('events wait in the spool')));
    await first.close(0);
    expect(said.at(-1)).toBe('publish: 200 events kept in the spool for the next start.');
    const second = await open({ spool, perSecond: 1000 });
    for (const event of events.slice(200)) second.take(event);
    await server.up();
    await allSent(second);
    expect(ids(await stored(server))).toEqual(events.map(({ id }) => id));
    expect(said).toContainEqual(expect.stringContaining('the server takes events again'));
    expect(readdirSync(spool).filter((name) => name.endsWith('.json'))).toEqual([]);
  });

  test('without a stream "no responders" means "not now": the events are sent after fleet setup', async () => {
    const publisher = await open();
    const events = [kill(), kill(), kill()];
    for (const event of events) publisher.take(event);
    await patiently(() => said.some((message) => message.includes('run `oomscope fleet setup`')));
    expect(publisher.counts).toMatchObject({ published: 0, waiting: 3, dropped: 0 });
    await setUpAt(server);
    await allSent(publisher);
    expect(ids(await stored(server))).toEqual(events.map(({ id }) => id));
  });

  test('a publisher without events says when the server is away, and when it is back', async () => {
    await setUpAt(server);
    const publisher = await open();
    publisher.take(kill());
    await allSent(publisher);
    await server.down();
    await patiently(() => said.length === 1);
    await server.up();
    await patiently(() => said.length === 2);
    expect(said.map((sentence) => sentence.replace(/nats:\S+/, 'S:'))).toEqual([
      'publish: S: the connection broke; events wait in memory.',
      'publish: the server is back; 0 events waiting.',
    ]);
  });

  test('a connection that is cut in the middle loses, doubles and reorders nothing', async () => {
    await setUpAt(server);
    await using proxy = await TcpProxy.before(server.port);
    const publisher = await open({ servers: [proxy.url], perSecond: 100_000 });
    const events = Array.from({ length: 3000 }, () => kill());
    for (const [i, event] of events.entries()) {
      publisher.take(event);
      if (i % 1000 === 500) proxy.cut();
      if (i % 1000 === 900) proxy.mend();
      if (i % 100 === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    }
    await allSent(publisher);
    expect(ids(await stored(server))).toEqual(events.map(({ id }) => id));
  });

  test('a message that is larger than the server allows goes without its largest fields, and the publisher says so', async () => {
    server.configure({ config: 'max_payload: 32768' });
    await server.down();
    await server.up();
    await setUpAt(server);
    const spool = join(directory, 'spool');
    const publisher = await open({ spool });
    const big = kill({ missing: Array.from({ length: 5000 }, (_, i) => `field-${i}`) });
    publisher.take(big);
    await allSent(publisher);
    const [message] = await stored(server);
    expect(message?.event).toMatchObject({ id: big.id, missing: null, victim: { pid: big.victim.pid } });
    expect(message?.headers['Oomscope-Moved-Out']).toBe('missing');
    expect(said).toContainEqual(expect.stringMatching(/too large .* without missing; the whole event is in .*large-0/));
    expect(JSON.parse(readFileSync(join(spool, 'large-0.json'), 'utf8'))).toEqual(JSON.parse(JSON.stringify(big)));
  });

  test('a storm is folded: the first of each kind is published, the repeats are counted', async () => {
    await setUpAt(server);
    const publisher = await open({ perSecond: 1 });
    const other = withChanges(
      sample as OomKill,
      { id: 'other', victim: { ...sample?.victim, comm: 'other' } } as object,
    );
    for (let i = 0; i < 500; i++) publisher.take(kill());
    publisher.take(other as Event);
    await publisher.close();
    const messages = await stored(server);
    const folded = messages.flatMap(({ event }) => (event.type === 'publish.folded' ? [event] : []));
    const single = messages.filter(({ event }) => event.type === 'oom.kill');
    expect(ids(messages)).toContain('other');
    expect(folded.reduce((sum, { count }) => sum + count, 0) + single.length).toBe(501);
    expect(folded).toHaveLength(1);
    expect(single.length).toBeLessThan(20);
  });

  test('only events whose type matches a glob are published', async () => {
    await setUpAt(server);
    const publisher = await open({ events: ['oom.*'] });
    publisher.take(recordings.containerKill.find(({ type }) => type === 'tracer.started') as Event);
    publisher.take(kill({ id: 'matches' }));
    await allSent(publisher);
    expect(ids(await stored(server))).toEqual(['matches']);
  });

  test.each([
    ['a wrong token', 'authorization { token: "right" }', { token: { file: 'wrong' } }, 'refuses the credentials'],
    [
      'no permission',
      'authorization { users: [{ user: u, password: wrong, permissions: { publish: ["other.>"] } }] }',
      { user: 'u', password: { file: 'wrong' } },
      'does not permit this node to publish events as default.',
    ],
  ] as const)('%s is said, and the events wait', async (_, config, options, sentence) => {
    writeFileSync(join(directory, 'wrong'), 'wrong\n', { mode: 0o600 });
    const secret = Object.fromEntries(
      Object.entries(options).map(([name, value]) =>
        typeof value === 'string' ? [name, value] : [name, { file: join(directory, value.file) }],
      ),
    );
    server.configure({ config });
    await server.down();
    await server.up();
    const publisher = await open(secret);
    publisher.take(kill());
    await patiently(() => said.some((message) => message.includes(sentence)));
    expect(publisher.counts).toMatchObject({ published: 0, waiting: 1 });
  });

  test('an event of a type that the account forbids is dropped and told once, and the events behind it are published', async () => {
    await setUpAt(server);
    const file = join(directory, 'password');
    writeFileSync(file, 'secret\n', { mode: 0o600 });
    const permissions = 'publish: ["oomscope.v1.c.n.oom.>", "$KV.oomscope_nodes.>"], subscribe: ["_INBOX.>"]';
    server.configure({
      config: `authorization { users: [{ user: u, password: secret, permissions: { ${permissions} } }] }`,
    });
    await server.down();
    await server.up();
    const publisher = await open({ user: 'u', password: { file }, cluster: 'c', node: 'n', perSecond: 10_000 });
    const started = recordings.containerKill.find(({ type }) => type === 'tracer.started') as Event;
    for (let i = 0; i < 200; i++) publisher.take(i % 100 === 10 ? { ...started, id: `started-${i}` } : kill());
    await allSent(publisher);
    expect(publisher.counts).toEqual({ published: 198, folded: 0, dropped: 2, waiting: 0 });
    expect(said.filter((sentence) => sentence.includes('not tracer.started: these are dropped'))).toHaveLength(1);
  });

  test('a server without JetStream is told so', async () => {
    server.configure({ jetstream: false });
    await server.down();
    await server.up();
    await open();
    await patiently(() => said.some((message) => message.includes('its JetStream is off')));
  });

  test('a file of another version in the spool is put aside, and the publisher says so', async () => {
    await setUpAt(server);
    const spool = join(directory, 'spool');
    const before = await open({ spool });
    await before.close(0);
    writeFileSync(join(spool, '000000000001.json'), '{"spool":"oomscope/publish/v9"}\n{}', { mode: 0o600 });
    const publisher = await open({ spool });
    publisher.take(kill({ id: 'after' }));
    await allSent(publisher);
    expect(ids(await stored(server))).toEqual(['after']);
    expect(said).toContainEqual(expect.stringMatching(/not an event of this version and is kept as .*v1/));
  });

  test('the state of the node is in the bucket, with a goodbye at the end', async () => {
    await setUpAt(server);
    const publisher = await open({ cluster: 'prod' });
    publisher.take(kill());
    await allSent(publisher);
    const nats = await loadNats();
    const connection = await connect({ servers: [server.url] }, 'test');
    const bucket = await new nats.Kvm(connection).open('oomscope_nodes');
    const states = async () => {
      const found: Record<string, unknown>[] = [];
      for await (const key of await bucket.keys()) found.push((await bucket.get(key))?.json() ?? {});
      return found;
    };
    await patiently(async () => (await states()).some(({ kills }) => kills === 1));
    expect(await states()).toMatchObject([{ node: hostname(), cluster: 'prod', goodbye: false }]);
    await publisher.close();
    expect(await states()).toMatchObject([{ goodbye: true, published: 1, waiting: 0 }]);
    await connection.close();
  });
});
