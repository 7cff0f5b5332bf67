import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { FleetEvent } from '../../src/fleet/fleet-event.ts';
import { type Fleet, openFleet } from '../../src/fleet/open-fleet.ts';
import type { FleetOptions } from '../../src/fleet/options.ts';
import { setUp } from '../../src/fleet/setup.ts';
import type { FleetIncident, FleetNode } from '../../src/model/fleet.ts';
import { connect } from '../../src/nats/connect.ts';
import { loadNats } from '../../src/nats/load.ts';
import { entryOf } from '../../src/publish/entry.ts';
import { messageOf } from '../../src/publish/message.ts';
import type { PublishOptions } from '../../src/publish/options.ts';
import { Publisher } from '../../src/publish/publisher.ts';
import { natsUnavailable, patiently, RealNats, TcpProxy } from '../publish/real-nats.ts';
import { killAt } from './fleet-events.ts';

describe.skipIf(natsUnavailable())('reading a fleet from a real nats-server', () => {
  let server: RealNats;
  let directory: string;
  const open: AsyncDisposable[] = [];
  beforeEach(async () => {
    directory = mkdtempSync(join(tmpdir(), 'oomscope-fleet-'));
    server = await RealNats.start();
    const connection = await connect({ servers: [server.url] }, 'test');
    await setUp(connection, { partitions: 4 });
    await connection.close();
  });
  afterEach(async () => {
    for (const one of open.splice(0).reverse()) await one[Symbol.asyncDispose]();
    await server.stop();
    rmSync(directory, { recursive: true, force: true });
  });

  async function publisher(node: string, options: Partial<PublishOptions> = {}): Promise<Publisher> {
    const one = await Publisher.open({ servers: [server.url], node, perSecond: 100_000, ...options });
    open.push(one);
    return one;
  }
  async function reader(options: Partial<FleetOptions> = {}) {
    const fleet = await openFleet({ servers: [server.url], ...options });
    open.push(fleet);
    return watch(fleet);
  }
  function watch(fleet: Fleet) {
    const events: FleetEvent[] = [];
    const incidents: FleetIncident[] = [];
    const changes: FleetNode[] = [];
    fleet.events$.subscribe((event) => events.push(event));
    fleet.incidents$.subscribe((incident) => incidents.push(incident));
    fleet.nodes$.subscribe((change) => changes.push(change));
    return { fleet, events, incidents, changes, ids: () => events.map(({ event }) => event.id) };
  }
  const named = (prefix: string, count: number) => Array.from({ length: count }, (_, i) => killAt(`${prefix}-${i}`));

  test('a reader gets the events of all nodes, each once and in the order of its node', async () => {
    const { fleet, events, ids } = await reader();
    await patiently(() => fleet.counts.malformed === 0);
    for (const node of ['a', 'b', 'c']) {
      const one = await publisher(node);
      for (const kill of named(node, 200)) one.take(kill);
    }
    await patiently(() => events.length === 600);
    for (const node of ['a', 'b', 'c'])
      expect(ids().filter((id) => id.startsWith(node))).toEqual(named(node, 200).map(({ id }) => id));
    expect(fleet.counts).toMatchObject({ duplicates: 0, missing: 0, malformed: 0 });
  });

  test('a reader that was away goes on where it was, and skips nothing', async () => {
    const one = await publisher('a');
    const first = await reader();
    for (const kill of named('a', 50)) one.take(kill);
    await patiently(() => first.events.length === 50);
    const state = JSON.parse(JSON.stringify(first.fleet.state()));
    await first.fleet.close();
    for (const kill of named('b', 50)) one.take(kill);
    const second = await reader({ resume: state });
    await patiently(() => second.events.length === 50);
    expect(second.ids()).toEqual(named('b', 50).map(({ id }) => id));
  });

  test('what the server discarded before a reader was back is counted', async () => {
    const one = await publisher('a');
    const first = await reader();
    for (const kill of named('a', 10)) one.take(kill);
    await patiently(() => first.events.length === 10);
    const state = first.fleet.state();
    await first.fleet.close();
    for (const kill of named('b', 10)) one.take(kill);
    await patiently(() => one.counts.waiting === 0);
    const connection = await connect({ servers: [server.url] }, 'test');
    await (await (await loadNats()).jetstreamManager(connection)).streams.purge('OOMSCOPE');
    await connection.close();
    const said: string[] = [];
    const second = await reader({ resume: state, onTrouble: (message) => said.push(message) });
    for (const kill of named('c', 1)) one.take(kill);
    await patiently(() => second.events.length === 1);
    expect(second.fleet.counts).toMatchObject({ discarded: 10, missing: 10 });
    expect(second.changes).toMatchObject([{ state: 'gap', missing: 10, name: expect.any(String) }]);
    expect(said).toContainEqual(expect.stringContaining('discarded 10 messages'));
  });

  test('a reader has caught up although an event waits that was stored after the reader was opened', async () => {
    const nats = await loadNats();
    const connection = await connect({ servers: [server.url] }, 'test');
    const client = nats.jetstream(connection);
    const store = async (node: string, number: number) => {
      const sender = { cluster: 'c', node, name: node, machine: node };
      const message = messageOf(entryOf(killAt(`${node}-${number}`), `run-${node}`, number), 0, sender, 1e6, nats);
      if (message) await client.publish(message.subject, message.payload, { headers: message.headers });
    };
    for (const number of [0, 2]) await store('a', number);
    const { fleet, ids } = await reader({ sinceMs: 60_000, waitMs: 3_600_000 });
    for (const number of [0, 2]) await store('b', number);
    await patiently(() => ids().includes('b-0'));
    await store('a', 1);
    await fleet.caughtUp;
    expect(ids().sort()).toEqual(['a-0', 'a-1', 'a-2', 'b-0']);
    await connection.close();
  });

  test('readers of different partitions share the nodes', async () => {
    const halves = [await reader({ partitions: [0, 1] }), await reader({ partitions: [2, 3] })];
    const nodes = Array.from({ length: 12 }, (_, i) => `node-${i}`);
    for (const node of nodes) (await publisher(node)).take(killAt(node));
    await patiently(() => halves.reduce((sum, { events }) => sum + events.length, 0) === nodes.length);
    const seen = halves.map(({ events }) => events.map(({ node }) => node));
    expect(seen.every((one) => one.length > 0)).toBe(true);
    expect(seen.flat().sort()).toEqual([...nodes].sort());
  });

  test('a reader survives a restart of the server and a cut of its connection', async () => {
    await using proxy = await TcpProxy.before(server.port);
    const { fleet, events, ids } = await reader({ servers: [proxy.url] });
    const one = await publisher('a', { spool: join(directory, 'spool') });
    for (const kill of named('a', 100)) one.take(kill);
    await patiently(() => events.length > 0);
    await server.down();
    await patiently(() => fleet.problem !== undefined);
    for (const kill of named('b', 100)) one.take(kill);
    await server.up();
    await patiently(() => events.length === 200);
    proxy.cut();
    for (const kill of named('c', 100)) one.take(kill);
    proxy.mend();
    await patiently(() => events.length === 300);
    expect(fleet.problem).toBeUndefined();
    const all = ['a', 'b', 'c'].flatMap((prefix) => named(prefix, 100).map(({ id }) => id));
    expect(ids()).toEqual(all);
  });

  test('a reader asks a server again that does not answer in time at the start', async () => {
    const one = await publisher('a');
    const troubles: string[] = [];
    const fleet = await openFleet({ servers: [server.url], onTrouble: (reason) => troubles.push(reason) });
    open.push(fleet);
    server.signal('SIGSTOP');
    const { events } = watch(fleet);
    await patiently(() => troubles.length > 0);
    server.signal('SIGCONT');
    expect(troubles).toEqual(['The bucket oomscope_nodes: no answer in time.']);
    await patiently(async () => {
      one.take(killAt(`late-${Math.random()}`));
      return events.length > 0 && fleet.nodes.length > 0;
    });
  });

  test('the same kill on three nodes is one incident; messages of other programs are counted and skipped', async () => {
    const { fleet, events, incidents } = await reader();
    const connection = await connect({ servers: [server.url] }, 'test');
    const stream = (await loadNats()).jetstream(connection);
    await stream.publish('oomscope.v1.prod.x.oom.kill', 'not json');
    await stream.publish('oomscope.v1.prod.x.oom.kill', '{"schema":"oomscope/v1","type":"oom.kill"}');
    await stream.publish('oomscope.v1.prod.x.oom.kill', JSON.stringify({ ...killAt('y'), type: 'oom.other' }));
    await connection.close();
    for (const node of ['a', 'b', 'c']) (await publisher(node)).take(killAt(node, { image: 'leaky:2' }));
    await patiently(() => incidents.length === 1);
    expect(incidents).toMatchObject([
      { state: 'opened', cause: 'image', name: 'leaky:2', nodes: 3, severity: 'critical' },
    ]);
    expect(events).toHaveLength(3);
    expect(fleet.counts.malformed).toBe(3);
  });

  test('the nodes of the bucket are known at once, and a goodbye is an event', async () => {
    const one = await publisher('a', { cluster: 'prod' });
    await patiently(() => one.counts.waiting === 0);
    const { fleet, changes } = await reader();
    await patiently(() => fleet.nodes.length === 1);
    expect(fleet.nodes).toMatchObject([{ node: 'a', cluster: 'prod', state: 'up', version: '0.1.0' }]);
    await one.close();
    await patiently(() => changes.length === 1);
    expect(changes).toMatchObject([{ type: 'fleet.node', state: 'left', name: 'a' }]);
  });

  test('a server that is not set up, and a partition that does not exist, are said', async () => {
    await using bare = await RealNats.start();
    await expect(openFleet({ servers: [bare.url] })).rejects.toThrow('run `oomscope fleet setup`');
    await expect(openFleet({ servers: [server.url], partitions: [4] })).rejects.toThrow('from 0 to 3, got 4');
  });
});
