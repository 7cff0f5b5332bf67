/** Tests of the webhook, Slack and Alertmanager sinks, in addition to those in conformance.ts. */
import { createHmac } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Dispatcher } from '../../../src/alerts/dispatch.ts';
import { alertmanager } from '../../../src/alerts/sinks/alertmanager.ts';
import { parseRetryAfter } from '../../../src/alerts/sinks/http.ts';
import { slack } from '../../../src/alerts/sinks/slack.ts';
import { webhook } from '../../../src/alerts/sinks/webhook.ts';
import { alertOf } from '../../../src/model/alert.ts';
import { anAlert, HOSTILE, oomKill, pressureLevel, resolved } from '../alerts.ts';
import { alertmanagerUnavailable, RealAlertmanager } from '../real-alertmanager.ts';
import { type Received, Receiver, until } from '../receiver.ts';

const never = new AbortController().signal;
let receiver: Receiver;
beforeEach(async () => {
  receiver = await Receiver.start();
});
afterEach(() => receiver.down());

describe('the webhook sink', () => {
  it('sends CloudEvents in structured mode, with the whole alert', async () => {
    const alert = anAlert();
    await webhook({ url: `${receiver.url}/a?b=c`, token: 'bearer' }).deliver(alert, never);
    const [got] = receiver.received;
    expect(got?.path).toBe('/a?b=c');
    expect(got?.headers).toMatchObject({
      'content-type': 'application/cloudevents+json; charset=utf-8',
      authorization: 'Bearer bearer',
    });
    expect(got?.headers['webhook-signature']).toBeUndefined();
    expect(JSON.parse(got?.body ?? '')).toEqual({
      specversion: '1.0',
      id: alert.id,
      source: '/oomscope/n1',
      type: 'oomscope.alert.firing',
      subject: alert.key,
      time: alert.starts_at,
      datacontenttype: 'application/json',
      data: alert,
    });
  });

  it.each([
    ['text', 'a key', Buffer.from('a key')],
    ['base64', 'whsec_AAECAw==', Buffer.from([0, 1, 2, 3])],
  ])('signs with a key in %s by the rules of Standard Webhooks', async (_, key, bytes) => {
    const alert = anAlert({ title: HOSTILE });
    await webhook({ url: receiver.url, key }).deliver(alert, never);
    const { headers, body } = receiver.received[0] as Received;
    const { 'webhook-id': id, 'webhook-timestamp': timestamp } = headers;
    expect(id).toBe(alert.id);
    expect(Math.abs(Number(timestamp) - Date.now() / 1000)).toBeLessThan(60);
    const expected = createHmac('sha256', bytes).update(`${id}.${timestamp}.${body}`).digest('base64');
    expect(headers['webhook-signature']).toBe(`v1,${expected}`);
  });

  it.each([
    [204, 'delivered'],
    [301, 'refused'],
    [400, 'refused'],
    [401, 'refused'],
    [408, 'retry'],
    [429, 'retry'],
    [500, 'retry'],
    [503, 'retry'],
  ])('status %i means %s', async (status, outcome) => {
    receiver.answer = (response) => response.writeHead(status, { location: receiver.url }).end();
    expect((await webhook({ url: receiver.url }).deliver(anAlert(), never)).outcome).toBe(outcome);
    expect(receiver.received).toHaveLength(1); // no redirect is followed
  });

  it('reads only the beginning of a response, and escapes control characters in it', async () => {
    receiver.answer = (response) => {
      response.writeHead(400);
      response.write(`\x1b[2Jbad request\n${'x'.repeat(1 << 20)}`); // the response never ends
    };
    const { reply } = await webhook({ url: receiver.url }).deliver(anAlert(), never);
    expect(reply).toBe('400 Bad Request (\\x1b[2Jbad request)');
  });

  it('reports that the receiver does not speak HTTP', async () => {
    const { createServer } = await import('node:net');
    const server = createServer((socket) => socket.end('220 mail.example.org ESMTP\r\n'));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as { port: number };
    const receipt = await webhook({ url: `http://127.0.0.1:${port}/` }).deliver(anAlert(), never);
    expect(receipt.outcome).toBe('retry');
    expect(receipt.reply).toMatch(/HTTP/);
    server.close();
  });

  it('refuses a wrong URL without showing it', () => {
    expect(() => webhook({ url: 'hooks.example.org/T0K3N' })).toThrow(
      /^webhook: expected a URL [^T]*something that is not a URL\.$/,
    );
    expect(() => webhook({ url: 'ftp://example.org/T0K3N' })).toThrow(/got one that begins with ftp:\.$/);
  });
});

describe('Retry-After', () => {
  it('is read as seconds or as a date', () => {
    const now = Date.parse('2026-11-22T12:00:00Z');
    expect(parseRetryAfter('7', now)).toBe(7000);
    expect(parseRetryAfter('Sun, 22 Nov 2026 12:00:09 GMT', now)).toBe(9000);
    expect(parseRetryAfter('Sun, 22 Nov 2026 11:00:00 GMT', now)).toBe(0);
    expect(parseRetryAfter('soon', now)).toBeUndefined();
    expect(parseRetryAfter(undefined, now)).toBeUndefined();
  });
});

describe('the Slack sink', () => {
  it('sends at most one message a second, and waits longer when Slack requests it', { timeout: 20_000 }, async () => {
    receiver.answer = (response) => {
      if (receiver.received.length === 1) response.writeHead(429, { 'retry-after': '2' }).end();
      else response.end('ok');
    };
    const dispatcher = new Dispatcher([{ sink: slack({ url: receiver.url }), firstRetryMs: 1 }]);
    dispatcher.send(anAlert());
    dispatcher.send(anAlert());
    await until(() => receiver.received.length === 3);
    await dispatcher.close();
    const [one = 0, again = 0, two = 0] = receiver.received.map(({ atMs }) => atMs);
    expect(again - one).toBeGreaterThan(1_950);
    expect(two - again).toBeGreaterThan(950);
  });

  it('escapes process names that would mention a user, become a link, or become markup', async () => {
    const labels = { alertname: 'x', cgroup: `/${HOSTILE}` };
    await slack({ url: receiver.url }).deliver(anAlert({ title: HOSTILE, message: HOSTILE, labels }), never);
    const message = JSON.parse(receiver.received[0]?.body ?? '');
    const texts = [message.text, message.blocks[0].text.text, message.blocks[1].elements[0].text];
    for (const text of texts) expect(text).not.toMatch(/\p{Cf}|[^\P{Cc}\n]/u);
    expect(texts[0]).toContain('&lt;!channel&gt;');
    // safe there, because these texts are plain text blocks
    for (const text of texts.slice(1)) expect(text).toContain('<!channel>');
  });
});

describe.skipIf(alertmanagerUnavailable())('the Alertmanager sink', () => {
  const open: { stop(): Promise<void> }[] = [];
  afterEach(async () => {
    for (const one of open.splice(0)) await one.stop();
  });
  async function start(webhook?: string): Promise<RealAlertmanager> {
    const manager = await RealAlertmanager.start(webhook);
    open.push(manager);
    return manager;
  }
  function follow(manager: RealAlertmanager, given: { resendMs?: number; lingerMs?: number } = {}): Dispatcher {
    const sink = alertmanager({ url: manager.url, resendMs: 200, ...given });
    const dispatcher = new Dispatcher([{ sink, firstRetryMs: 50, mostRetryMs: 200 }]);
    open.push({ stop: () => dispatcher.close(0) });
    return dispatcher;
  }
  const severities = async (manager: RealAlertmanager) => (await manager.active()).map(({ labels }) => labels.severity);

  /** Alerts that Alertmanager sent to its receiver. */
  const heard = () =>
    receiver.received.flatMap(({ body }) =>
      JSON.parse(body).alerts.map((alert: { status: string; labels: { severity: string } }) => {
        return `${alert.labels.severity} ${alert.status}`;
      }),
    );

  it('delivers beginning, worsening and end of an episode to the receiver of Alertmanager', async () => {
    const manager = await start(receiver.url);
    const dispatcher = follow(manager);
    dispatcher.take(pressureLevel('medium', 'normal'));
    await until(async () => (await severities(manager)).join() === 'warning');
    expect((await manager.active())[0]).toMatchObject({
      labels: { alertname: 'MemoryPressure', cgroup: '/shop', node: 'n1', scope: 'cgroup' },
      annotations: { summary: 'Memory pressure medium: /shop', description: 'Pressure is medium.' },
      startsAt: '2026-11-22T12:00:00.000Z',
      status: { state: 'active' },
    });
    dispatcher.take(pressureLevel('critical', 'medium'));
    await until(async () => (await severities(manager)).join() === 'critical');
    await until(() => heard().includes('critical firing'));
    dispatcher.take(pressureLevel('normal', 'critical', { peak: 'critical' }));
    await until(async () => (await severities(manager)).length === 0);
    await until(() => heard().includes('critical resolved'));
    expect(heard()).toEqual(expect.arrayContaining(['warning firing', 'warning resolved']));
  });

  it('re-sends firing alerts, so a restarted Alertmanager gets them, and they end when oomscope has died', async () => {
    const manager = await start();
    const dispatcher = follow(manager);
    dispatcher.send(anAlert());
    await until(async () => (await manager.active()).length === 1);
    await manager.down();
    await manager.up();
    await until(async () => (await manager.active()).length === 1);
    await dispatcher.close(); // as if the process had died: nothing more is sent
    await until(async () => (await manager.active()).length === 0); // they end after four intervals
  });

  it('lets the alert of a kill fire for a while and end by itself', async () => {
    const manager = await start();
    const dispatcher = follow(manager, { lingerMs: 1_000 });
    dispatcher.take(oomKill('killed'));
    await until(async () => (await manager.active()).length === 1);
    expect((await manager.active())[0]?.labels).toEqual(alertOf(oomKill('killed'))?.labels);
    await until(async () => (await manager.active()).length === 0);
  });
});

it('the Alertmanager sink re-sends a resolved alert for a while, and then stops', async () => {
  const sink = alertmanager({ url: `${receiver.url}/am/`, resendMs: 30, lingerMs: 300 });
  const dispatcher = new Dispatcher([{ sink }]);
  const alert = anAlert();
  dispatcher.send(alert);
  dispatcher.send(resolved(alert));
  const ends = () =>
    receiver.received.filter(({ body }) => Date.parse(JSON.parse(body)[0].endsAt) <= Date.now()).length;
  await until(() => ends() > 3);
  await new Promise((resolve) => setTimeout(resolve, 500));
  const before = receiver.received.length;
  await new Promise((resolve) => setTimeout(resolve, 150));
  expect(receiver.received).toHaveLength(before);
  expect(receiver.received[0]?.path).toBe('/am/api/v2/alerts');
  await dispatcher.close();
});
