import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { nodePermissions, setUp } from '../../src/fleet/setup.ts';
import type { Event } from '../../src/model/events.ts';
import { connect } from '../../src/nats/connect.ts';
import { loadNats } from '../../src/nats/load.ts';
import { STREAM } from '../../src/nats/names.ts';
import type { ServerOptions } from '../../src/nats/server-options.ts';
import { Publisher } from '../../src/publish/publisher.ts';
import { oomscope } from '../cli/cli.ts';
import { killAt } from '../fleet/fleet-events.ts';
import { NATS_2_9, natsUnavailable, patiently, RealNats } from '../publish/real-nats.ts';
import { Authority } from './authority.ts';
import { newKey, Operator } from './keys.ts';

type Way = Omit<ServerOptions, 'servers'>;

describe.skipIf(natsUnavailable())('access to a real nats-server', () => {
  let directory: string;
  let authority: Authority;
  let tls: string;
  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), 'oomscope-access-'));
    authority = new Authority(directory, 'authority');
    const { certificate, key } = authority.issue('server', 'IP:127.0.0.1');
    tls = `cert_file: "${certificate}", key_file: "${key}", ca_file: "${authority.certificate}"`;
  });
  afterAll(() => rmSync(directory, { recursive: true, force: true }));

  function file(name: string, text: string): string {
    writeFileSync(join(directory, name), text, { mode: 0o600 });
    return join(directory, name);
  }
  const tlsUrl = ({ port }: RealNats) => `tls://127.0.0.1:${port}`;

  /** Sets the server up, publishes an event, and reads it, all with the same way of access. */
  async function roundTrip(url: string, way: Way): Promise<Event> {
    const connection = await connect({ servers: [url], ...way }, 'test');
    try {
      await setUp(connection, {});
      const said: string[] = [];
      await using publisher = await Publisher.open({ servers: [url], ...way }, (text) => said.push(text));
      publisher.take(killAt('access'));
      await patiently(() => publisher.counts.published === 1);
      expect(said).toEqual([]);
      const manager = await (await loadNats()).jetstreamManager(connection);
      const stored = await manager.streams.getMessage(STREAM, { seq: 1 });
      return stored?.json() as Event;
    } finally {
      await connection.close();
    }
  }
  const refusal = (url: string, way: Way = {}) =>
    connect({ servers: [url], ...way }, 'test').then(
      async (connection) => {
        await connection.close();
        return 'connected';
      },
      (error: Error) => error.message,
    );

  test('TLS: a certificate of the authority in `ca` is trusted, and no other', async () => {
    await using server = await RealNats.start({ config: `tls { ${tls} }` });
    const ca = authority.certificate;
    expect(await roundTrip(tlsUrl(server), { ca })).toMatchObject({ id: 'access' });
    expect(await refusal(tlsUrl(server))).toMatch(/its certificate is not trusted/);
    const stranger = new Authority(directory, 'stranger');
    expect(await refusal(tlsUrl(server), { ca: stranger.certificate })).toMatch(/its certificate is not trusted/);
    // The server asks for TLS, also where the address does not.
    expect(await refusal(server.url)).toMatch(/its certificate is not trusted/);
  });

  test.each([
    ['DNS:elsewhere.example', false, false],
    ['IP:127.0.0.2', false, false],
    ['IP:127.0.0.1', true, false],
    ['DNS:localhost', false, true],
    ['DNS:localhost,IP:127.0.0.1', true, true],
  ])('TLS: the certificate of %s is one of 127.0.0.1: %s, and one of localhost: %s', async (names, address, host) => {
    const { certificate, key } = authority.issue('named', names);
    await using server = await RealNats.start({ config: `tls { cert_file: "${certificate}", key_file: "${key}" }` });
    const ca = authority.certificate;
    const at = async (url: string) =>
      (await refusal(url, { ca })) === 'connected' ? true : await refusal(url, { ca });
    const untrusted = expect.stringMatching(/its certificate is not trusted/);
    expect(await at(tlsUrl(server))).toEqual(address || untrusted);
    expect(await at(`tls://localhost:${server.port}`)).toEqual(host || untrusted);
  });

  test.each(['credentials', 'nkey', 'token', 'password', 'key'])(
    '%s: a file that other users can read is refused',
    async (name) => {
      const secret = file(`open-${name}`, 'secret');
      chmodSync(secret, 0o644);
      const way = {
        ...(name === 'credentials' || name === 'key' ? { [name]: secret } : { [name]: { file: secret } }),
        ...(name === 'password' && { user: 'u' }),
        ...(name === 'key' && { cert: authority.certificate }),
      };
      expect(await refusal('tls://127.0.0.1:1', way)).toContain(
        `other users can read it (mode 644): chmod 600 ${secret}`,
      );
    },
  );

  test('TLS: a server that has none is not used without it', async () => {
    await using server = await RealNats.start();
    expect(await refusal(tlsUrl(server))).toMatch(/the server has no TLS/);
  });

  test('TLS: a server that verifies clients takes only the certificate of its authority', async () => {
    await using server = await RealNats.start({ config: `tls { ${tls}, verify: true }` });
    const ca = authority.certificate;
    const { certificate: cert, key } = authority.issue('client', 'DNS:node-1');
    expect(await roundTrip(tlsUrl(server), { ca, cert, key })).toMatchObject({ id: 'access' });
    const other = new Authority(directory, 'other').issue('impostor', 'DNS:node-1');
    const wrong = { ca, cert: other.certificate, key: other.key };
    // The client of NATS waits five seconds for an answer.
    for (const said of await Promise.all([refusal(tlsUrl(server), { ca }), refusal(tlsUrl(server), wrong)]))
      expect(said).toMatch(/A server that verifies clients answers only to a certificate that it trusts/);
  });

  test('a file of credentials: that of a user of the account is taken, that of another operator is refused', async () => {
    const operator = new Operator();
    await using server = await RealNats.start({ config: operator.config });
    const credentials = file('node.creds', operator.credentials('node'));
    expect(await roundTrip(server.url, { credentials })).toMatchObject({ id: 'access' });
    const foreign = file('foreign.creds', new Operator().credentials('node'));
    expect(await refusal(server.url, { credentials: foreign })).toMatch(/the server refuses the credentials/);
    expect(await refusal(server.url)).toMatch(/the server refuses the credentials/);
  });

  test('an nkey is taken, another one is refused', async () => {
    const key = newKey('user');
    await using server = await RealNats.start({ config: `authorization { users: [{ nkey: ${key.name} }] }` });
    const nkey = { file: file('seed', `${key.seed}\n`) };
    expect(await roundTrip(server.url, { nkey })).toMatchObject({ id: 'access' });
    const wrong = { file: file('wrong-seed', newKey('user').seed) };
    expect(await refusal(server.url, { nkey: wrong })).toMatch(/the server refuses the credentials/);
  });

  test.each([
    ['a token', 'authorization { token: "secret" }', (path: string): Way => ({ token: { file: path } })],
    [
      'a user and a password',
      'authorization { users: [{ user: node, password: secret }] }',
      (path: string): Way => ({ user: 'node', password: { file: path } }),
    ],
  ])('%s is taken, a wrong one is refused', async (_, config, way) => {
    await using server = await RealNats.start({ config });
    expect(await roundTrip(server.url, way(file('right', 'secret\n')))).toMatchObject({ id: 'access' });
    expect(await refusal(server.url, way(file('wrong', 'guess\n')))).toMatch(/the server refuses the credentials/);
  });

  test('the command reads TLS and credentials from the words behind the address', async () => {
    const operator = new Operator();
    await using server = await RealNats.start({ config: `${operator.config}\ntls { ${tls} }` });
    const credentials = file('reader.creds', operator.credentials('reader'));
    const words = `${tlsUrl(server)} ca=${authority.certificate} credentials=${credentials}`;
    const made = await oomscope(['fleet', 'setup', '--server', words]);
    expect(made).toMatchObject({ code: 0, stdout: expect.stringContaining('stream OOMSCOPE: made') });
    const shown = await oomscope(['fleet', 'status', '--server', words, '--json']);
    expect(JSON.parse(shown.stdout)).toMatchObject({ schema: 'oomscope/fleet/v1', nodes: [] });
  });

  test('a node that publishes under the name of another node is refused, says so once, and keeps its events', async () => {
    const operator = new Operator();
    await using server = await RealNats.start({ config: operator.config });
    const admin = await connect(
      { servers: [server.url], credentials: file('admin.creds', operator.credentials('admin')) },
      'test',
    );
    await setUp(admin, {});
    const credentials = file('web-1.creds', operator.credentials('web-1', nodePermissions('prod', 'web-1')));
    const said: string[] = [];
    const tell = (text: string) => said.push(text);
    const options = { servers: [server.url], credentials, cluster: 'prod', spool: join(directory, 'spool') };
    const wrong = await Publisher.open({ ...options, node: 'web-2' }, tell);
    for (let i = 0; i < 3; i++) wrong.take(killAt(`name-${i}`));
    await patiently(() => said.length > 0);
    // longer than the first pauses between two attempts
    await new Promise((resolve) => setTimeout(resolve, 2500));
    expect(said).toEqual([
      expect.stringMatching(
        /does not permit this node to publish events as prod\.web-2: `oomscope fleet setup --cluster prod --node web-2` prints .*; events wait in the spool/,
      ),
    ]);
    expect(wrong.counts).toMatchObject({ published: 0, waiting: 3, dropped: 0 });
    await wrong.close();
    expect(said.at(-1)).toBe('publish: 3 events kept in the spool for the next start.');
    await using right = await Publisher.open({ ...options, node: 'web-1' }, tell);
    await patiently(() => right.counts.published === 3);
    const manager = await (await loadNats()).jetstreamManager(admin);
    const { state } = await manager.streams.info(STREAM, { subjects_filter: '>' });
    expect(Object.keys(state.subjects ?? {})).toEqual([expect.stringMatching(/\.prod\.web-1\.oom\.kill$/)]);
    await admin.close();
  });

  test('a node that may not store its state publishes its events, and says so once', async () => {
    const [events = ''] = nodePermissions('prod', 'web-1').publish;
    const permissions = `{ publish: ["${events}"], subscribe: ["_INBOX.>"] }`;
    const admin = '{ user: admin, password: p }';
    const config = `authorization { users: [${admin}, { user: u, password: p, permissions: ${permissions} }] }`;
    await using server = await RealNats.start({ config });
    const password = { file: file('p', 'p') };
    const connection = await connect({ servers: [server.url], user: 'admin', password }, 'test');
    await setUp(connection, {}).finally(() => connection.close());
    const said: string[] = [];
    const options = { servers: [server.url], user: 'u', password, cluster: 'prod', node: 'web-1' };
    await using publisher = await Publisher.open(options, (text) => said.push(text));
    for (let i = 0; i < 3; i++) {
      publisher.take(killAt(`state-${i}`));
      // a kill changes the state, which is written after a second
      await new Promise((resolve) => setTimeout(resolve, 1100));
    }
    await patiently(() => publisher.counts.published === 3 && said.length > 0);
    expect(said).toEqual([expect.stringMatching(/does not permit this node to store its state as prod\.web-1: /)]);
  });

  test.skipIf(natsUnavailable(NATS_2_9))('a server of version 2.9 is told to be too old, and events wait', async () => {
    await using server = await RealNats.start({ program: NATS_2_9 });
    const sentence = /expected nats-server 2\.10 or later, got 2\.9\.\d+: upgrade it/;
    const setup = await oomscope(['fleet', 'setup', '--server', server.url]);
    expect(setup.stderr).toMatch(sentence);
    expect(setup.code).toBe(69);
    const said: string[] = [];
    await using publisher = await Publisher.open({ servers: [server.url] }, (text) => said.push(text));
    publisher.take(killAt('old'));
    await patiently(() => said.length > 0);
    expect(said).toEqual([expect.stringMatching(sentence)]);
    expect(publisher.counts).toMatchObject({ published: 0, waiting: 1 });
  });
});
