/** The page in a real browser: recorded kills from a history, and the present of this machine. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { HistoryRecorder } from '../../src/history/recorder.ts';
import { Listener } from '../../src/http/listener.ts';
import { makeToken } from '../../src/http/token.ts';
import { Web } from '../../src/web/open.ts';
import { guardAction, guardResult, HOSTILE } from '../alerts/alerts.ts';
import { until } from '../alerts/receiver.ts';
import { ROOT } from '../cli/cli.ts';
import { aKill, recorded } from '../history/made-events.ts';
import { CHROMIUM, faults, fits, launch, open, SIZES } from './browser.ts';

const directory = mkdtempSync(join(tmpdir(), 'oomscope-web-'));
const historyPath = join(directory, 'history.db');
const page = () => readFileSync(join(ROOT, 'dist/cli/web.html'), 'utf8');
/** Screenshots for people are written to this directory. */
const shots = process.env.OOMSCOPE_SCREENSHOTS;

let browser: Browser;
let listener: Listener;
let web: Web;
const kill = recorded().find(({ type }) => type === 'oom.kill');

beforeAll(async () => {
  if (CHROMIUM === undefined) return;
  const limits = { maxAgeMs: 365 * 86_400_000, maxBytes: 2 ** 28 };
  const recorder = new HistoryRecorder({ path: historyPath, ...limits, tell: () => {}, onLost: () => {} });
  for (let day = 1; day <= 20; day++)
    recorder.take(aKill({ timeMs: Date.now() - day * 86_400_000, comm: 'postgres', container: 'shop-db' }));
  recorder.take(aKill({ comm: HOSTILE }));
  recorder.take(guardAction('kill', 'done'));
  recorder.take(guardResult('killed'));
  for (const event of recorded()) recorder.take(event);
  await recorder.close();
  listener = await Listener.open({ address: { host: '127.0.0.1', port: 0 }, token: makeToken() });
  web = new Web({ listener, page: page(), historyPath, live: true, guard: 'enforce' });
  web.start();
  browser = await launch();
});

afterAll(async () => {
  await browser?.close();
  await listener?.close();
  await web?.close();
  rmSync(directory, { recursive: true, force: true });
});

describe.skipIf(CHROMIUM === undefined)('the page', () => {
  it.each(['light', 'dark'] as const)(
    'has every view without faults of accessibility, and no view is wider than its screen, in %s mode',
    async (scheme) => {
      if (shots !== undefined) mkdirSync(shots, { recursive: true });
      // Each size in one of the modes, and with screenshots, which people look at, in both.
      const widths = scheme === 'light' ? [360, 2560] : [768, 1280];
      const sizes = shots === undefined ? SIZES.filter(([width]) => widths.includes(width)) : SIZES;
      for (const [width, height] of sizes) {
        const { page: tab, complaints } = await open(browser, listener.link(), [width, height], scheme);
        const views: [string, string, string][] = [
          ['now', '#/now', '#hot table, #hot p'],
          ['kills', '#/kills', '.rows tbody tr'],
          ['story', `#/kill/${kill?.id}`, '.story .moments'],
          ['guard', '#/guard', '.rows tbody tr'],
        ];
        for (const [name, hash, ready] of views) {
          await tab.evaluate(
            (to) => Object.assign((globalThis as unknown as { location: { hash: string } }).location, { hash: to }),
            hash,
          );
          await tab.waitForSelector(ready);
          expect(await fits(tab), `${name} at ${width}`).toBe(true);
          expect(await faults(tab), `${name} at ${width}`).toEqual([]);
          if (shots !== undefined) await tab.screenshot({ path: join(shots, `${name}-${width}-${scheme}.png`) });
        }
        expect(complaints).toEqual([]);
        await tab.close();
      }
    },
  );

  it('shows a kill as it happens, filters kills, and shows the whole story of one with the keyboard alone', async () => {
    const { page: tab, complaints } = await open(browser, listener.link(), [1280, 900], 'light');
    await tab.waitForSelector('#headline:not(:empty)');
    expect(await tab.evaluate('location.hash')).toBe('#/now');
    const fresh = aKill({ comm: 'fresh-kill' });
    web.take(fresh);
    await tab.waitForSelector('#recent >> text=fresh-kill');
    await tab.evaluate('location.hash = "#/kills"');
    await tab.waitForSelector('.rows tbody tr');
    await tab.focus('[name=name]');
    await tab.keyboard.type('postgres');
    await tab.keyboard.press('Enter');
    await until(
      async () =>
        (await tab.evaluate(
          '[...document.querySelectorAll(".rows tbody tr")].every((row) => row.innerText.includes("postgres"))',
        )) === true,
    );
    expect(await tab.locator('.rows tbody tr').count()).toBe(20);
    await tab.focus('[name=name]');
    await tab.keyboard.press('Control+A');
    await tab.keyboard.type(kill?.type === 'oom.kill' ? (kill.victim.comm ?? '') : '');
    await tab.keyboard.press('Enter');
    await until(
      async () =>
        (await tab.evaluate(
          '![...document.querySelectorAll(".rows tbody tr")].some((row) => row.innerText.includes("postgres"))',
        )) === true,
    );
    await tab.focus('.rows a');
    await tab.keyboard.press('Enter');
    await tab.waitForSelector('.story .moments');
    const words = await tab.innerText('.story');
    for (const part of ['Facts', 'Before', 'During and after', 'The kernel’s report', 'recovery', 'What to do'])
      expect(words).toContain(part);
    expect(await tab.locator('.story svg.chart-line').count()).toBeGreaterThan(0);
    await tab.focus('[data-part=fields] summary');
    await tab.keyboard.press('Enter');
    await tab.waitForSelector('.fields tbody tr');
    expect(await faults(tab)).toEqual([]);
    expect(complaints).toEqual([]);
    await tab.close();
  });

  it('escapes what processes choose, loads nothing from elsewhere, and asks for the token when it has none', async () => {
    const { page: tab } = await open(browser, listener.link(), [768, 1024], 'dark');
    const foreign: string[] = [];
    tab.on('request', (request) => {
      if (!request.url().startsWith(listener.url)) foreign.push(request.url());
    });
    await tab.evaluate('location.hash = "#/kills"');
    await tab.waitForSelector('.rows >> text=x\\x0a<6>y');
    expect(await tab.locator('.rows b').count()).toBe(0);
    expect(foreign).toEqual([]);
    const blocked = await tab.evaluate('fetch("http://192.0.2.1/").then(() => "sent", () => "blocked")');
    expect(blocked).toBe('blocked');
    await tab.evaluate('sessionStorage.clear()');
    await tab.reload();
    await tab.waitForSelector('#token-form');
    expect(await faults(tab)).toEqual([]);
    await tab.fill('[name=token]', /#token=(.*)/.exec(listener.link())?.[1] ?? '');
    await tab.keyboard.press('Enter');
    await tab.waitForSelector('.rows tbody tr');
    await tab.close();
  });

  it('goes on after the server was away, and gets the events that it missed from the history', async () => {
    const own = await Listener.open({ address: { host: '127.0.0.1', port: 0 }, token: makeToken() });
    const path = join(directory, 'missed.db');
    const recorder = new HistoryRecorder({
      path,
      maxAgeMs: 86_400_000,
      maxBytes: 2 ** 26,
      tell: () => {},
      onLost: () => {},
    });
    const options = { page: page(), historyPath: path, live: true, guard: null };
    const first = new Web({ listener: own, ...options });
    first.start();
    const { page: tab } = await open(browser, own.link(), [1280, 900], 'light');
    await tab.waitForSelector('#headline:not(:empty)');
    const [seen, missed] = [aKill({ comm: 'seen' }), aKill({ comm: 'missed' })];
    recorder.take(seen);
    first.take(seen);
    await tab.waitForSelector('#recent >> text=seen');
    const link = own.link();
    const { port } = new URL(own.url);
    await own.close();
    await first.close();
    await tab.waitForSelector('#connection >> text=Connection lost');
    recorder.take(missed);
    await recorder.close();
    const token = /#token=(.*)/.exec(link)?.[1] ?? '';
    const again = await Listener.open({ address: { host: '127.0.0.1', port: Number(port) }, token });
    const second = new Web({ listener: again, ...options });
    second.start();
    await tab.waitForSelector('#recent >> text=missed', { timeout: 60_000 });
    expect(await tab.innerText('#connection')).toBe('Live');
    await tab.close();
    await again.close();
    await second.close();
  });
});
