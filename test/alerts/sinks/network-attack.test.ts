/** Receivers that echo secrets or never end their response, and processes whose names are markup. */
import { createServer } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Dispatcher } from '../../../src/alerts/dispatch.ts';
import { alertmanager } from '../../../src/alerts/sinks/alertmanager.ts';
import type { Sink } from '../../../src/alerts/sinks/sink.ts';
import { slack } from '../../../src/alerts/sinks/slack.ts';
import { webhook } from '../../../src/alerts/sinks/webhook.ts';
import { anAlert, HOSTILE } from '../alerts.ts';
import { Receiver, until } from '../receiver.ts';

const never = new AbortController().signal;
let receiver: Receiver;
beforeEach(async () => {
  receiver = await Receiver.start();
});
afterEach(() => receiver.down());

describe('a response whose body never ends', () => {
  it('counts as a delivery if its status is 200, so the alert is sent once', async () => {
    receiver.answer = (response) => {
      response.writeHead(200);
      response.write('thanks');
    };
    const sink = webhook({ url: receiver.url, timeoutMs: 300 });
    const dispatcher = new Dispatcher([{ sink, firstRetryMs: 1, mostRetryMs: 10 }]);
    dispatcher.send(anAlert());
    await until(() => dispatcher.counts[0]?.counts.waiting === 0);
    await new Promise((resolve) => setTimeout(resolve, 700));
    await dispatcher.close();
    expect(receiver.received).toHaveLength(1);
    expect(dispatcher.counts[0]?.counts).toMatchObject({ delivered: 1, retried: 0 });
  });

  it.each([
    [403, 'refused'],
    [503, 'retry'],
  ])('of status %i is %s at once, with what has come of the body', async (status, outcome) => {
    receiver.answer = (response) => {
      response.writeHead(status);
      response.write('because');
    };
    const began = performance.now();
    const receipt = await webhook({ url: receiver.url }).deliver(anAlert(), never);
    expect(receipt.outcome).toBe(outcome);
    expect(receipt.reply).toContain('because');
    expect(performance.now() - began).toBeLessThan(5_000);
  });

  it('is cut off when its body arrives slowly and never ends', async () => {
    let closed = 0;
    receiver.answer = (response) => {
      response.writeHead(200);
      const timer = setInterval(() => response.write('x'.repeat(1000)), 5);
      response.on('close', () => {
        clearInterval(timer);
        closed++;
      });
    };
    expect((await webhook({ url: receiver.url }).deliver(anAlert(), never)).outcome).toBe('delivered');
    await until(() => closed === 1);
  });
});

describe('a receiver that echoes the request', () => {
  const secrets = [
    'S3CR3T-path',
    'S3CR3T-query',
    'S3CR3T-token',
    'S3CR3T-user',
    'S3CR3T-password',
    'S3CR3T%2Fencoded',
    'S3CR3T/encoded',
  ];
  const sinks: [string, (url: string) => Sink][] = [
    ['webhook', (url) => webhook({ url, token: 'S3CR3T-token', key: 'S3CR3T-key' })],
    ['slack', (url) => slack({ url })],
    ['alertmanager', (url) => alertmanager({ url, token: 'S3CR3T-token' })],
  ];
  it.each(sinks)('causes %s to print no secret', async (name, make) => {
    const url = `${receiver.url.replace('//', '//S3CR3T-user:S3CR3T-password@')}/S3CR3T-path/S3CR3T%2Fencoded?x=S3CR3T-query`;
    const sink = make(url);
    for (const status of [200, 400, 404, 503]) {
      for (const echo of [...secrets, `/S3CR3T-path/S3CR3T%2Fencoded?x=S3CR3T-query`]) {
        if (name === 'slack' && echo === 'S3CR3T-token') continue; // the Slack sink has no token
        receiver.answer = (response, { headers, path }) => {
          response.writeHead(status, `no ${echo}`).end(`${echo} ${path} ${JSON.stringify(headers)} ${echo}`);
        };
        const { reply } = await sink.deliver(anAlert(), never);
        expect(reply).not.toContain('S3CR3T');
        expect(reply).toMatch(new RegExp(`^${status} no `));
      }
    }
  });

  it('causes no output of a secret that its response contains only in part', async () => {
    receiver.answer = (response) => {
      response.writeHead(400);
      response.write('your token is S3CR3T-to'); // the response ends within the secret
    };
    const { reply } = await webhook({ url: receiver.url, token: 'S3CR3T-token' }).deliver(anAlert(), never);
    expect(reply).toContain('your token is');
    expect(reply).not.toContain('S3CR3T');
  });

  it('causes no output of a secret when its answer is not HTTP', async () => {
    const server = createServer((socket) => {
      socket.on('data', (bytes) => socket.end(`HTTP/9.9 200 ${bytes}`));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as { port: number };
    const { outcome, reply } = await webhook({ url: `http://127.0.0.1:${port}/S3CR3T-path` }).deliver(anAlert(), never);
    server.close();
    expect(outcome).toBe('retry');
    expect(reply).not.toContain('S3CR3T');
  });
});

describe('a process name in a Slack channel', () => {
  it.each([
    HOSTILE,
    '<http://evil|click>',
    '<!channel> <@U123>',
    '*bold* _it_ ~s~ `code`',
    '[x](http://evil)',
    '&lt;!here&gt;',
    ':boom: > quote',
  ])('named %j is plain text', async (name) => {
    const labels = { alertname: 'x', cgroup: `/${name}` };
    await slack({ url: receiver.url }).deliver(anAlert({ title: name, message: name, labels }), never);
    const message = JSON.parse(receiver.received[0]?.body ?? '');
    const texts = [...message.blocks.map((block: { text?: object }) => block.text), ...message.blocks[1].elements];
    const shown = texts.filter((text) => text !== undefined);
    expect(shown).toHaveLength(2);
    for (const text of shown) {
      expect(text).toMatchObject({ type: 'plain_text', emoji: false });
      expect(text.text).not.toMatch(/\p{Cf}|[^\P{Cc}\n]/u);
    }
    expect(message).toMatchObject({ mrkdwn: false, parse: 'none', link_names: false, unfurl_links: false });
    expect(message.text).not.toMatch(/[<>]|&(?!amp;|lt;|gt;)|\p{Cc}|\p{Cf}/u);
  });
});
