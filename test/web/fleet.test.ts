/** The page of a fleet in a real browser, with events of real publishers from a real nats-server. */
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Fleet, openFleet } from '../../src/fleet/open-fleet.ts';
import { setUp } from '../../src/fleet/setup.ts';
import { Listener } from '../../src/http/listener.ts';
import { makeToken } from '../../src/http/token.ts';
import { connect } from '../../src/nats/connect.ts';
import { Publisher } from '../../src/publish/publisher.ts';
import { FleetWeb } from '../../src/web/fleet.ts';
import { HOSTILE } from '../alerts/alerts.ts';
import { oomscope, ROOT } from '../cli/cli.ts';
import { killAt } from '../fleet/fleet-events.ts';
import { natsUnavailable, patiently, RealNats } from '../publish/real-nats.ts';
import { CHROMIUM, faults, fits, launch, open, SIZES } from './browser.ts';

/** Screenshots for people are written to this directory. */
const shots = process.env.OOMSCOPE_SCREENSHOTS;

describe.skipIf(natsUnavailable())('the page of a fleet', () => {
  let server: RealNats;
  let listener: Listener;
  let fleet: Fleet;
  let web: FleetWeb;
  let token: string;

  beforeAll(async () => {
    server = await RealNats.start();
    const connection = await connect({ servers: [server.url] }, 'test');
    await setUp(connection, {}).finally(() => connection.close());
    for (let i = 0; i < 4; i++) await publish(`web-${i}`, [`${i}-a`, `${i}-b`], { image: 'shop/web:v2' });
    await publish('db-1', ['odd'], { comm: HOSTILE });
    fleet = await openFleet({ servers: [server.url], sinceMs: 3_600_000 });
    token = makeToken();
    listener = await Listener.open({ address: { host: '127.0.0.1', port: 0 }, token });
    const page = readFileSync(join(ROOT, 'dist/cli/web.html'), 'utf8');
    web = new FleetWeb({ listener, page, fleet, name: server.url, sinceMs: 3_600_000, tell: () => {} });
    await web.start(() => {});
    await fleet.caughtUp;
    await patiently(async () => (await ask('/api/list')).rows.length === 9);
  });
  afterAll(async () => {
    await listener?.close();
    await web?.close();
    await fleet?.close();
    await server?.stop();
  });

  async function publish(node: string, names: string[], where: Parameters<typeof killAt>[1]): Promise<void> {
    await using publisher = await Publisher.open({ servers: [server.url], cluster: 'prod', node });
    for (const name of names) publisher.take({ ...killAt(`fleet-web-${name}`, where), node });
    await patiently(() => publisher.counts.waiting === 0);
  }
  // biome-ignore lint/suspicious/noExplicitAny: the answers have several shapes
  const ask = async (path: string, authorization = `Bearer ${token}`): Promise<any> => {
    const response = await fetch(`${listener.url}${path}`, { headers: { Authorization: authorization } });
    return response.status === 200 ? response.json() : { status: response.status };
  };

  it('lists the kills of all nodes, and gives the story of one', async () => {
    const { rows } = await ask('/api/list?name=hog');
    expect(rows).toHaveLength(8);
    expect(new Set(rows.map(({ node }: { node: string }) => node)).size).toBe(4);
    const story = await ask('/api/story?id=fleet-web-2-b');
    expect(story.head).toMatchObject({ id: 'fleet-web-2-b', node: 'web-2' });
  });

  it('sends nothing without the token', async () => {
    for (const path of ['/api/about', '/api/list', '/api/story?id=fleet-web-2-b', '/api/stream'])
      expect(await ask(path, '')).toEqual({ status: 401 });
  });

  it('is served by the command', async () => {
    const words = ['fleet', 'web', '--server', server.url, '--listen', '127.0.0.1:0', '--duration', '1s'];
    const { code, stderr } = await oomscope(words);
    expect(stderr).toMatch(/The page is at http:\/\/127\.0\.0\.1:\d+\/#token=\S+/);
    expect(code).toBe(0);
  });

  describe.skipIf(CHROMIUM === undefined)('in Chromium', () => {
    let browser: Browser;
    beforeAll(async () => {
      browser = await launch();
    });
    afterAll(() => browser?.close());

    it.each([
      ['light', 360],
      ['dark', 1280],
    ] as const)(
      'has no fault of accessibility, and is not wider than its screen, in %s mode at %i',
      async (scheme, at) => {
        const size = SIZES.find(([width]) => width === at) ?? SIZES[0];
        const { page, complaints } = await open(browser, listener.link(), size, scheme);
        await page.waitForSelector('#nodes tbody tr');
        expect(await page.textContent('#incidents')).toContain('8 OOM kills of containers of the image shop/web:v2');
        expect(await page.textContent('#tiles')).toContain('nodes5');
        for (const hash of ['#/now', '#/kills', '#/kill/fleet-web-odd', '#/guard']) {
          await page.evaluate(`location.hash = ${JSON.stringify(hash)}`);
          await page.waitForSelector(
            { '#/now': '#nodes tbody tr', '#/kills': '#list tbody tr', '#/guard': '#mode' }[hash] ?? '.story',
          );
          if (shots !== undefined) {
            mkdirSync(shots, { recursive: true });
            await page.screenshot({ path: join(shots, `fleet-${hash.split('/')[1]}-${at}.png`), fullPage: true });
          }
          expect(await faults(page)).toEqual([]);
          expect(await fits(page)).toBe(true);
        }
        expect(complaints).toEqual([]);
        await page.close();
      },
    );

    it('shows a kill as it happens', async () => {
      const { page } = await open(browser, listener.link(), [1280, 900], 'light');
      await page.waitForSelector('#nodes tbody tr');
      await publish('web-9', ['live'], { image: 'shop/web:v2' });
      await page.waitForSelector('#recent a[href="#/kill/fleet-web-live"]');
      expect(await page.textContent('#recent')).toContain('web-9');
      await page.close();
    });
  });
});
