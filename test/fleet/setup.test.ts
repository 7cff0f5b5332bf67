import type { NatsConnection } from '@nats-io/transport-node';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { nodePermissions, readerPermissions, type SetupMode, setUp } from '../../src/fleet/setup.ts';
import type { SetupOptions } from '../../src/fleet/shape.ts';
import { connect } from '../../src/nats/connect.ts';
import { loadNats } from '../../src/nats/load.ts';
import { oomscope } from '../cli/cli.ts';
import { natsUnavailable, RealNats } from '../publish/real-nats.ts';

describe.skipIf(natsUnavailable())('fleet setup at a real nats-server', () => {
  let server: RealNats;
  let connection: NatsConnection;
  beforeEach(async () => {
    server = await RealNats.start();
    connection = await connect({ servers: [server.url] }, 'test');
  });
  afterEach(async () => {
    await connection.close();
    await server.stop();
  });
  const done = async (options: SetupOptions = {}, mode: SetupMode = {}) =>
    (await setUp(connection, options, mode)).map(({ what, done }) => `${what}: ${done}`);

  test('makes everything once, and changes nothing when it runs again', async () => {
    const things = [
      'stream OOMSCOPE',
      'bucket oomscope_nodes',
      'bucket oomscope_incidents',
      'consumer oomscope-alerts',
    ];
    expect(await done({}, { dryRun: true })).toEqual(things.map((what) => `${what}: missing`));
    expect(await done()).toEqual(things.map((what) => `${what}: made`));
    expect(await done()).toEqual(things.map((what) => `${what}: unchanged`));
  });

  test('keeps values that no option names, and shows what it changes', async () => {
    await done({ ageMs: 3_600_000, bytes: 10_000_000 });
    const [stream] = await setUp(connection, { bytes: 20_000_000 });
    expect(stream).toMatchObject({
      done: 'changed',
      changes: [{ name: 'max_bytes', from: '9.5 MiB', to: '19.1 MiB' }],
    });
    expect(await done()).toContain('stream OOMSCOPE: unchanged');
  });

  test('refuses to shrink unless it is told to', async () => {
    await done({ ageMs: 3_600_000 });
    await expect(done({ ageMs: 60_000 * 5 })).rejects.toThrow(/max_age 60(\.0)? min → 5(\.0)? min.*--shrink/);
    expect(await done()).toContain('stream OOMSCOPE: unchanged');
    expect(await done({ ageMs: 60_000 * 5 }, { shrink: true })).toContain('stream OOMSCOPE: changed');
  });

  test.each([
    [
      'of another storage',
      { storage: 'memory', subjects: ['oomscope.v1.*.*.>'] },
      /exists with another shape \(.*storage/,
    ],
    [
      'with another retention',
      { retention: 'workqueue', subjects: ['oomscope.v1.*.*.>'] },
      /another shape \(.*retention/,
    ],
  ] as const)('a stream %s is refused', async (_, shape, sentence) => {
    const manager = await (await loadNats()).jetstreamManager(connection);
    await manager.streams.add({ name: 'OOMSCOPE', ...shape, subjects: [...shape.subjects] } as never);
    await expect(done()).rejects.toThrow(sentence);
  });

  test('another stream that takes the same subjects is named as the reason', async () => {
    const manager = await (await loadNats()).jetstreamManager(connection);
    await manager.streams.add({ name: 'OTHER', subjects: ['oomscope.>'] });
    await expect(done()).rejects.toThrow('another stream takes the same subjects');
  });

  test('replicas without a cluster are refused with the remedy', async () => {
    await expect(done({ replicas: 3 })).rejects.toThrow(/give --replicas 1/);
  });

  test('the permissions let a node publish under its own name only, and a reader read only', async () => {
    await done();
    const users = [
      ['node', nodePermissions('prod', 'web-1')],
      ['reader', readerPermissions],
      ['admin', { publish: ['>'], subscribe: ['>'] }],
    ] as const;
    const list = users.map(
      ([name, permissions]) => `{ user: ${name}, password: p, permissions: ${JSON.stringify(permissions)} }`,
    );
    server.configure({ config: `authorization { users: [${list.join(', ')}] }` });
    await connection.close();
    await server.down();
    await server.up();
    process.env.OOMSCOPE_TEST_PASSWORD = 'p';
    const password = { env: 'OOMSCOPE_TEST_PASSWORD' };
    const as = (user: string, inbox: string) => connect({ servers: [server.url], user, password }, 'test', inbox);
    const nats = await loadNats();
    const node = await as('node', '_INBOX.prod.web-1');
    const publish = (subject: string) =>
      nats.jetstream(node, { timeout: 2000 }).publish(subject, '{}', { msgID: subject });
    await expect(publish('oomscope.v1.prod.web-1.oom.kill')).resolves.toMatchObject({ stream: 'OOMSCOPE' });
    await expect(publish('oomscope.v1.prod.web-2.oom.kill')).rejects.toThrow(/ermission/);
    await expect(publish('oomscope.v1.other.web-1.oom.kill')).rejects.toThrow(/ermission/);
    const reader = await as('reader', '_INBOX');
    const manager = await nats.jetstreamManager(reader);
    await expect(manager.streams.info('OOMSCOPE')).resolves.toMatchObject({ state: { messages: 1 } });
    await expect(
      nats.jetstream(reader, { timeout: 2000 }).publish('oomscope.v1.prod.web-1.oom.kill', '{}'),
    ).rejects.toThrow(/ermission/);
    connection = await as('admin', '_INBOX');
    await Promise.all([node.close(), reader.close()]);
  });

  test('the command prints what it did and the permissions, as text and as JSON', async () => {
    const text = await oomscope(['fleet', 'setup', '--server', server.url, '--cluster', 'prod', '--node', 'a.b']);
    expect(text.stdout).toMatch(/stream OOMSCOPE: made\n {2}subjects oomscope\.v1\.\*\.\*\.>/);
    expect(text.stdout).toMatch(
      /# node a\.b\npermissions: \{\n {2}publish: \["oomscope\.v1\.prod\.a_b-[0-9a-f]{6}\.>"/,
    );
    const json = await oomscope(['fleet', 'setup', '--server', server.url, '--json']);
    expect(JSON.parse(json.stdout).steps).toMatchObject([{ done: 'unchanged' }, {}, {}, {}]);
  });

  test.each([
    [['--server', 'nats://127.0.0.1:1'], 69, /no server answers there/],
    [['--server', 'http://example.org'], 2, /expected an address such as nats:/],
    [['--server', 'nats://u:secret@127.0.0.1'], 2, /expected no user name or password in "nats:\/\/…@127/],
    [['--server', 'nats://127.0.0.1 credentials=/nowhere'], 2, /credentials: cannot read \/nowhere/],
    [['--replicas', '2'], 2, /--replicas: expected one of 1, 3, 5/],
  ])('%j ends with %i and a sentence', async (args, code, sentence) => {
    const { code: ended, stderr } = await oomscope(['fleet', 'setup', ...args]);
    expect(stderr).toMatch(sentence);
    expect(stderr).not.toContain('secret');
    expect(ended).toBe(code);
  });
});
