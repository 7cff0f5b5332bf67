import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { FleetAlerting } from '../../src/fleet/alerting.ts';
import { setUp } from '../../src/fleet/setup.ts';
import type { Alert } from '../../src/model/alert.ts';
import { connect } from '../../src/nats/connect.ts';
import { Publisher } from '../../src/publish/publisher.ts';
import { MAIN, oomscope } from '../cli/cli.ts';
import { natsUnavailable, patiently, RealNats } from '../publish/real-nats.ts';
import { killAt } from './fleet-events.ts';

/** Kills of one image, 100 ms apart: the incident has the id of the first, and the age of a kill is known to some ms. */
const killsFrom = (beganMs: number, prefix: string, count: number) =>
  Array.from({ length: count }, (_, i) => ({
    ...killAt(`${prefix}-${i}`, { image: 'shop/web:v2' }),
    time: new Date(beganMs + i * 100).toISOString().replace('Z', '000000Z'),
  }));

describe.skipIf(natsUnavailable())('the fleet commands at a real nats-server', () => {
  let server: RealNats;
  let directory: string;
  const open: AsyncDisposable[] = [];
  beforeEach(async () => {
    directory = mkdtempSync(join(tmpdir(), 'oomscope-fleet-'));
    server = await RealNats.start();
    const connection = await connect({ servers: [server.url] }, 'test');
    await setUp(connection, {});
    await connection.close();
  });
  afterEach(async () => {
    for (const one of open.splice(0).reverse()) await one[Symbol.asyncDispose]();
    await server.stop();
    rmSync(directory, { recursive: true, force: true });
  });

  /** Ten nodes, of which three have a leaking image. */
  async function publishAll(): Promise<void> {
    for (let i = 0; i < 10; i++) {
      const one = await Publisher.open({ servers: [server.url], node: `n${i}`, cluster: 'prod' });
      open.push(one);
      if (i < 3) one.take(killAt(`bad-${i}`, { image: 'shop/web:v2' }));
      one.take(killAt(`other-${i}`, { image: `image-${i}` }));
      await patiently(() => one.counts.waiting === 0);
    }
  }
  const start = (...words: string[]) =>
    spawn(process.execPath, [MAIN, 'fleet', ...words, '--server', server.url], { stdio: ['ignore', 'pipe', 'ignore'] });
  async function stopped(child: ChildProcess): Promise<void> {
    const gone = new Promise((resolve) => child.once('close', resolve));
    child.kill('SIGTERM');
    await gone;
  }
  const fleet = (...words: string[]) => oomscope(['fleet', ...words, '--server', server.url]);

  test('status shows the incident, the nodes and the images with the most kills', async () => {
    expect((await fleet()).stdout).toContain('No node has published yet');
    await publishAll();
    const { stdout, code } = await fleet('--no-color');
    expect(stdout).toMatch(/^Fleet {2}\d+ nodes? {2}13 kills in 60 min/);
    expect(stdout).toMatch(/● 3 OOM kills of containers of the image shop\/web:v2 on 3 nodes.* prod-bad-0\n/);
    expect(stdout).toMatch(/image {5}shop\/web:v2 3 on 3 nodes/);
    expect(code).toBe(0);
    const { incidents, kills, counts, nodes } = JSON.parse((await fleet('status', '--json')).stdout);
    expect(incidents).toMatchObject([{ cause: 'image', name: 'shop/web:v2', nodes: 3 }]);
    expect(nodes).toHaveLength(10);
    expect(Object.keys(nodes[0]).filter((name) => !/^[a-z_]+$/.test(name))).toEqual([]);
    expect({ kills, counts }).toMatchObject({ kills: 13, counts: { missing: 0, malformed: 0 } });
  });

  test('an incident that ended before the report is not in it', async () => {
    const publisher = await Publisher.open({ servers: [server.url], node: 'n1', cluster: 'prod' });
    open.push(publisher);
    const beganMs = Date.now() - 20 * 60_000;
    for (const kill of killsFrom(beganMs, 'old', 3)) publisher.take(kill);
    await patiently(() => publisher.counts.waiting === 0);
    const { kills, incidents } = JSON.parse((await fleet('--json')).stdout);
    expect({ kills, incidents }).toEqual({ kills: 3, incidents: [] });
    const shown = (await fleet('show', 'prod-old-0')).stdout;
    expect(shown).toContain('Over: 3 OOM kills');
    const [, happened = ''] = /^(\S+Z) {2}prod\/n1 .*old-0$/m.exec(shown) ?? [];
    expect(Math.abs(Date.parse(happened) - beganMs)).toBeLessThan(60_000);
  });

  test('a node whose name has dots is shown under its name', async () => {
    const publisher = await Publisher.open({ servers: [server.url], node: 'web-1.example.org', cluster: 'prod' });
    open.push(publisher);
    for (const kill of killsFrom(Date.now() - 60_000, 'dots', 3)) publisher.take(kill);
    await patiently(() => publisher.counts.waiting === 0);
    const { nodes, incidents, top } = JSON.parse((await fleet('--json')).stdout);
    expect([nodes[0].node, incidents[0].node_names, top.node[0].name]).toEqual([
      'web-1.example.org',
      ['web-1.example.org'],
      'prod/web-1.example.org',
    ]);
    expect((await fleet('show', 'dots-1')).stdout).toContain('prod/web-1.example.org, stored');
    expect((await fleet('show', 'prod-dots-0')).stdout).toMatch(
      /on web-1\.example\.org[\s\S]*prod\/web-1\.example\.org/,
    );
  });

  test('show finds an event and an incident by their ids', async () => {
    await publishAll();
    const event = await fleet('show', 'other-4', '--json');
    expect(JSON.parse(event.stdout)).toMatchObject({ cluster: 'prod', node: 'n4', event: { id: 'other-4' } });
    const text = (await fleet('show', 'prod-bad-0')).stdout;
    expect(text).toContain('3 OOM kills of containers of the image shop/web:v2');
    expect(text.match(/^.* {2}prod\/n\d+ {2}.* was killed.* {2}bad-\d$/gm)).toHaveLength(3);
    expect((await fleet('show', 'other-4')).stdout).toMatch(/KILLED[\s\S]*node +prod\/n4, stored /);
    expect(await fleet('show', 'nothing')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('no event and no incident "nothing"'),
    });
  });

  test('show says how many events of a large incident it leaves out', async () => {
    const publisher = await Publisher.open({ servers: [server.url], node: 'n1', cluster: 'prod', perSecond: 100_000 });
    open.push(publisher);
    for (const kill of killsFrom(Date.now() - 120_000, 'many', 1002)) publisher.take(kill);
    await patiently(() => publisher.counts.waiting === 0);
    const { stdout } = await fleet('show', 'prod-many-0', '--no-color');
    expect(stdout.match(/^.* {2}many-\d+$/gm)).toHaveLength(1000);
    expect(stdout).toContain('\nThese are the first 1000 events of the incident. 2 more belong to it.\n');
    const { stderr } = await fleet('show', 'prod-many-0', '--json');
    expect(stderr).toContain('2 more belong to it.');
  });

  test('watch --json writes a line for each incident', async () => {
    const child = start('--watch', '--json');
    let stdout = '';
    child.stdout.on('data', (chunk: Buffer) => {
      stdout += chunk;
    });
    await publishAll();
    await patiently(() => stdout.includes('"fleet.incident"'));
    await stopped(child);
    const incidents = stdout
      .split('\n')
      .flatMap((line) => (line.includes('"fleet.incident"') ? [JSON.parse(line)] : []));
    expect(incidents).toMatchObject([{ state: 'opened', name: 'shop/web:v2', nodes: 3 }]);
  });

  test('several alert readers send each incident once, and one that is closed leaves nothing unsent', async () => {
    const sent: { by: string; alert: Alert }[] = [];
    const reader = async (by: string) => {
      const sink = {
        name: by,
        deliver: async (alert: Alert) => {
          sent.push({ by, alert });
          return { outcome: 'delivered', reply: '' } as const;
        },
      };
      const one = await FleetAlerting.open({ servers: [server.url], sinks: [{ sink }], tell: () => {} });
      open.push(one);
      return one;
    };
    const readers = [await reader('a'), await reader('b'), await reader('c')];
    await publishAll();
    await patiently(() => sent.length === 1);
    await readers[0]?.close();
    const again = await Publisher.open({ servers: [server.url], node: 'x', cluster: 'prod' });
    open.push(again);
    for (let i = 0; i < 3; i++) again.take(killAt(`second-${i}`, { image: 'second:1' }));
    await patiently(() => sent.length === 2);
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(sent.map(({ alert }) => alert.labels.subject)).toEqual(['shop/web:v2', 'second:1']);
    expect(sent[0]?.alert).toMatchObject({ name: 'FleetIncident', status: 'firing', momentary: false });
  });

  test('the command sends the incident to a file', async () => {
    const file = join(directory, 'alerts.jsonl');
    const child = start('alert', '--alert', `file=${file}`);
    await publishAll();
    await patiently(() => existsSync(file) && readFileSync(file, 'utf8').endsWith('\n'));
    await stopped(child);
    expect(
      readFileSync(file, 'utf8')
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line).name),
    ).toEqual(['FleetIncident']);
  });

  test.each([
    [['--events'], /--events: expected --watch and --json/],
    [['--watch'], /--watch needs a terminal/],
    [['--duration', '1s'], /--duration: expected --watch/],
    [['alert'], /--alert: expected at least one sink/],
    [['--partition', '17'], /expected whole numbers from 0 to 15, got 16/],
  ])('%j is refused with a sentence', async (words, sentence) => {
    const { code, stderr } = await fleet(...words);
    expect(stderr).toMatch(sentence);
    expect(code).toBe(2);
  });
});
