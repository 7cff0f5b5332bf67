import { afterEach, expect, test } from 'vitest';
import { Listener, type ListenerOptions } from '../../src/http/listener.ts';
import { exchange, Raw } from './raw.ts';

const TOKEN = 'a-token-of-this-test-0123456789';
let listener: Listener | undefined;

async function listen(options: Partial<ListenerOptions> = {}): Promise<string> {
  listener = await Listener.open({ address: { host: '127.0.0.1', port: 0 }, token: TOKEN, ...options });
  listener.add({ path: '/data', access: 'token', reply: () => ({ type: 'text/plain', body: 'command lines' }) });
  listener.add({ path: '/', access: 'open', reply: () => ({ type: 'text/html', body: '<p>page</p>' }) });
  return listener.url;
}

const statusOf = (answer: string) => Number(/^HTTP\/1\.1 (\d+)/.exec(answer)?.[1]);
const authorized = ['Host: localhost', `Authorization: Bearer ${TOKEN}`];

afterEach(async () => {
  await listener?.close();
  listener = undefined;
});

test('a name that was pointed at 127.0.0.1 (DNS rebinding) is refused, also with the token', async () => {
  const url = await listen({ hosts: ['Oomscope.Monitoring.svc'] });
  const status = async (host: string) =>
    statusOf(await exchange(url, 'GET /data HTTP/1.1', [`Host: ${host}`, `Authorization: Bearer ${TOKEN}`]));
  for (const good of ['localhost', 'LOCALHOST:9', '127.0.0.1:80', '[::1]:1', 'oomscope.monitoring.svc:9836'])
    expect(await status(good), good).toBe(200);
  for (const bad of ['evil.example', 'localhost.evil.example', '127.0.0.1.evil.example:80', '10.1.2.3', '0.0.0.0'])
    expect(await status(bad), bad).toBe(403);
  for (const bad of ['', 'a b', 'x@localhost', 'localhost:1:2', 'localhost/', '[::1', '\xff'])
    expect(await status(bad), bad).toBe(400);
});

test('two Host headers, or none, are refused', async () => {
  const url = await listen();
  expect(statusOf(await exchange(url, 'GET / HTTP/1.1', ['Host: localhost', 'Host: evil.example']))).toBe(400);
  expect(statusOf(await exchange(url, 'GET / HTTP/1.1'))).toBe(400);
  expect(statusOf(await exchange(url, 'GET / HTTP/1.0'))).toBe(400);
});

test('a page of another site gets nothing, and learns nothing about the paths', async () => {
  const url = await listen();
  const status = async (path: string, ...headers: string[]) =>
    statusOf(await exchange(url, `GET ${path} HTTP/1.1`, [...authorized, ...headers]));
  for (const path of ['/data', '/nothing', '/healthz']) {
    expect(await status(path, 'Origin: http://evil.example'), path).toBe(403);
    expect(await status(path, 'Origin: null'), path).toBe(403);
    expect(await status(path, 'Origin: http://localhost:1'), path).toBe(403);
    expect(await status(path, 'Sec-Fetch-Site: cross-site', 'Sec-Fetch-Mode: no-cors'), path).toBe(403);
    expect(await status(path, 'Sec-Fetch-Site: same-site', 'Sec-Fetch-Mode: cors'), path).toBe(403);
  }
  expect(await status('/data', 'Origin: http://localhost')).toBe(200);
  expect(await status('/data', 'Sec-Fetch-Site: same-origin', 'Sec-Fetch-Mode: cors')).toBe(200);
  // a link in another page opens the page, but never in a frame
  const linked = ['Sec-Fetch-Site: cross-site', 'Sec-Fetch-Mode: navigate'];
  expect(await status('/', ...linked, 'Sec-Fetch-Dest: document')).toBe(200);
  expect(await status('/', ...linked, 'Sec-Fetch-Dest: iframe')).toBe(403);
});

test('what is not HTTP, or is too much of it, gets an answer or none, and the listener goes on', async () => {
  const url = await listen();
  const hostile = [
    '\0\0\0\0\r\n\r\n',
    'GET\r\n\r\n',
    'GET / HTTP/9.9\r\n\r\n',
    'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
    `GET /${'a'.repeat(20_000)} HTTP/1.1\r\nHost: localhost\r\n\r\n`,
    `GET / HTTP/1.1\r\nHost: localhost\r\nX: ${'b'.repeat(20_000)}\r\n\r\n`,
    'GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    'GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n',
    'GET / HTTP/1.1\r\nHost: localhost\r\n X: folded\r\n\r\n',
    'CONNECT evil.example:443 HTTP/1.1\r\nHost: localhost\r\n\r\n',
  ];
  for (const bytes of hostile) {
    const sent = new Raw(url).send(bytes);
    sent.socket.end();
    const answer = await sent.closed;
    if (answer !== '') expect(statusOf(answer), bytes.slice(0, 40)).toBe(400);
    expect(answer).not.toContain('page');
  }
  expect(statusOf(await exchange(url, 'GET / HTTP/1.1', ['Host: localhost']))).toBe(200);
});

test('targets that are no path, and paths that climb, find nothing', async () => {
  const url = await listen();
  const status = async (target: string, method = 'GET') =>
    statusOf(await exchange(url, `${method} ${target} HTTP/1.1`, authorized));
  for (const target of ['http://evil.example/data', '*', 'data']) expect(await status(target), target).toBe(400);
  for (const target of ['/../etc/passwd', '//data', '/data/', '/%64ata', '/data%00', '/./data', '/data;x'])
    expect(await status(target), target).toBe(404);
  expect(await status('/data?x=%ff&%%%')).toBe(200);
  for (const method of ['PUT', 'DELETE', 'OPTIONS', 'TRACE', 'PATCH']) expect(await status('/data', method)).toBe(405);
});

test('a client that sends nothing, or one byte now and then, is cut off', async () => {
  const url = await listen({ requestMs: 300 });
  const silent = new Raw(url);
  const slow = new Raw(url);
  const dripping = setInterval(() => slow.send('G'), 50);
  const body = new Raw(url);
  listener?.add({
    path: '/post',
    method: 'POST',
    access: 'open',
    mostBodyBytes: 1000,
    reply: () => ({ type: 'text/plain', body: 'whole' }),
  });
  body.send('POST /post HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\nx');
  expect(await silent.closed).not.toContain('200');
  expect(await slow.closed).not.toContain('200');
  expect(await body.closed).not.toContain('whole');
  clearInterval(dripping);
});

test('a client that does not read its response is cut off', async () => {
  const url = await listen({ requestMs: 300 });
  const body = Buffer.alloc(64 * 1024 ** 2);
  listener?.add({ path: '/large', access: 'open', reply: () => ({ type: 'application/octet-stream', body }) });
  const client = new Raw(url);
  client.socket.pause();
  client.send('GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n');
  await new Promise((resolve) => setTimeout(resolve, 600));
  client.socket.resume();
  expect((await client.closed).length).toBeLessThan(body.length);
});

test('a stream whose client does not read is cut off', async () => {
  const url = await listen();
  const ended = new Promise<void>((resolve) => {
    listener?.add({
      path: '/events',
      access: 'open',
      stream: (_, response) => {
        response.writeHead(200, { 'Content-Type': 'text/event-stream' });
        const more = setInterval(() => response.write('x'.repeat(1024 ** 2)), 5);
        response.once('close', () => {
          clearInterval(more);
          resolve();
        });
      },
    });
  });
  const client = new Raw(url);
  client.socket.pause();
  client.send('GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n');
  await ended;
  client.socket.destroy();
});

test('connections and requests beyond the limits are refused, and later ones are answered', async () => {
  const url = await listen({ mostConnections: 4, mostRequests: 10, requestMs: 60_000 });
  const held = Array.from({ length: 4 }, () => new Raw(url).send('GET / HTTP/1.1\r\n'));
  await Promise.all(
    held.map(({ socket }) => socket.readyState === 'open' || new Promise((go) => socket.once('connect', go))),
  );
  while ((await exchange(url, 'GET / HTTP/1.1', ['Host: localhost'])) !== '')
    await new Promise((resolve) => setTimeout(resolve, 10));
  for (const { socket } of held) socket.destroy();
  let answer = '';
  while (answer === '') answer = await exchange(url, 'GET /healthz HTTP/1.1', ['Host: localhost']);
  let refused = 0;
  for (let i = 0; i < 200 && refused === 0; i++)
    if (statusOf(await exchange(url, 'GET /healthz HTTP/1.1', ['Host: localhost'])) === 429) refused++;
  expect(refused).toBe(1);
  while (statusOf(await exchange(url, 'GET /healthz HTTP/1.1', ['Host: localhost'])) !== 200)
    await new Promise((resolve) => setTimeout(resolve, 50));
});
