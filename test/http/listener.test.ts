import { chmodSync, chownSync, linkSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { isLoopback, parseAddress, showAddress } from '../../src/http/address.ts';
import { Budget } from '../../src/http/budget.ts';
import { Listener, type ListenerOptions } from '../../src/http/listener.ts';
import { Listeners } from '../../src/http/listeners.ts';
import { RouteTable } from '../../src/http/route.ts';
import { isToken, makeToken, readToken } from '../../src/http/token.ts';
import { exchange, Raw } from './raw.ts';

const TOKEN = 'a-token-of-this-test-0123456789';
const local = { host: '127.0.0.1', port: 0 };
const open: AsyncDisposable[] = [];

async function listen(options: Partial<ListenerOptions> = {}): Promise<Listener> {
  const listener = await Listener.open({ address: local, ...options });
  open.push(listener);
  return listener;
}

/** Like fetch(), with the Host header of the test's choice. */
function get(url: string, headers: Record<string, string> = {}, method = 'GET', body?: string) {
  return new Promise<{ status: number; headers: Record<string, unknown>; body: string }>((resolve, reject) => {
    const sent = request(url, { method, headers, agent: false }, (answer) => {
      let text = '';
      answer.setEncoding('utf8').on('data', (part: string) => {
        text += part;
      });
      answer.on('end', () => resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body: text }));
    });
    sent.on('error', reject);
    sent.end(body);
  });
}

afterEach(async () => {
  for (const one of open.splice(0)) await one[Symbol.asyncDispose]();
});

test('an address is an IP address and a port, and everything else gets a sentence', () => {
  const read = (text: string) => showAddress(parseAddress(text, 'metrics.listen'));
  expect(['127.0.0.1:9836', '[::1]:80', 'localhost:1', '9836', '0.0.0.0:0'].map(read)).toEqual([
    '127.0.0.1:9836',
    '[::1]:80',
    '127.0.0.1:1',
    '127.0.0.1:9836',
    '0.0.0.0:0',
  ]);
  for (const wrong of [
    '',
    ':1',
    '::1:9',
    'example.org:80',
    '127.0.0.1',
    '127.0.0.1:65536',
    '1.2.3:4',
    '[1.2.3.4]:5',
    'a\n:1',
  ])
    expect(() => read(wrong), wrong).toThrow(/^metrics.listen: expected an IP address and a port, such as/);
  expect([local, { host: '::1', port: 1 }, { host: '0.0.0.0', port: 1 }].map(isLoopback)).toEqual([true, true, false]);
});

test('a token comes from a file that only its user can read', () => {
  const directory = mkdtempSync(join(tmpdir(), 'oomscope-token-'));
  try {
    const file = join(directory, 'token');
    expect(() => readToken(file, 'web.token_file')).toThrow(/there is no such file. Make one with/);
    writeFileSync(file, `${TOKEN}\n`, { mode: 0o600 });
    expect(readToken(file, 'web.token_file')).toBe(TOKEN);
    chmodSync(file, 0o640); // its group is root's, which systemd's LoadCredential= looks like
    expect(readToken(file, 'web.token_file')).toBe(TOKEN);
    for (const [mode, can] of [
      [0o644, 'read'],
      [0o620, 'change'],
      [0o611, 'execute'],
    ] as const) {
      chmodSync(file, mode);
      expect(() => readToken(file, 'web.token_file')).toThrow(
        `other users can ${can} it (mode ${mode.toString(8)}): chmod 600`,
      );
    }
    chmodSync(file, 0o640);
    chownSync(file, 0, 65_534); // a group that this process does not have
    expect(() => readToken(file, 'web.token_file')).toThrow(/other users can read it \(mode 640\): chmod 600/);
    chownSync(file, 1234, 0);
    expect(() => readToken(file, 'web.token_file')).toThrow(/it belongs to the user 1234: chown 0 /);
    chownSync(file, 0, 0);
    chmodSync(file, 0o600);
    for (const bad of ['short', 'x'.repeat(600), 'two words of which none is a token', '']) {
      writeFileSync(file, bad);
      expect(() => readToken(file, 'web.token_file')).toThrow(/it has something else: a token has/);
    }
    linkSync(file, join(directory, 'second'));
    expect(() => readToken(file, 'web.token_file')).toThrow(/hard link/);
    expect(() => readToken(directory, 'web.token_file')).toThrow(/expected a regular file, got a directory/);
  } finally {
    rmSync(directory, { recursive: true });
  }
  expect(makeToken()).toMatch(/^[\w-]{43}$/);
  expect(makeToken()).not.toBe(makeToken());
  expect([
    isToken(TOKEN, TOKEN),
    isToken(`${TOKEN}x`, TOKEN),
    isToken('', TOKEN),
    isToken(`x${TOKEN.slice(1)}`, TOKEN),
  ]).toEqual([true, false, false, false]);
});

test('the longest path decides, and a path has one route for each method', () => {
  const routes = new RouteTable();
  const route = (path: string, method?: 'POST') => ({
    path,
    ...(method && { method }),
    access: 'open' as const,
    reply: () => ({ type: 'text/plain', body: path }),
  });
  for (const path of ['/*', '/a/*', '/a/b', '/metrics']) routes.add(route(path));
  routes.add(route('/a/b', 'POST'));
  expect(['/', '/x', '/a/x/y', '/a/b', '/a/b/', '/metrics'].map((path) => routes.at(path)[0]?.path)).toEqual([
    '/*',
    '/*',
    '/a/*',
    '/a/b',
    '/a/*',
    '/metrics',
  ]);
  expect(routes.at('/a/b')).toHaveLength(2);
  expect(routes.paths).toEqual(['/a/b', '/metrics']);
  expect(new RouteTable().at('/x')).toEqual([]);
  expect(() => routes.add(route('/metrics'))).toThrow('two routes for /metrics');
});

test('the budget refills with time', () => {
  let nowMs = 0;
  const budget = new Budget(10, () => nowMs);
  expect(Array.from({ length: 21 }, () => budget.take()).filter(Boolean)).toHaveLength(20);
  nowMs = 100;
  expect([budget.take(), budget.take()]).toEqual([true, false]);
});

test('answers health and readiness, HEAD, unknown paths and wrong methods, with headers that forbid everything', async () => {
  const listener = await listen();
  let reason: string | undefined = 'the programs are being loaded.';
  listener.addReadiness('tracer', () => reason);
  expect(await get(`${listener.url}/healthz`)).toMatchObject({ status: 200, body: 'ok\n' });
  expect(await get(`${listener.url}/readyz`)).toMatchObject({ status: 503, body: `tracer: ${reason}\n` });
  reason = undefined;
  const ready = await get(`${listener.url}/readyz`);
  expect(ready).toMatchObject({ status: 200, body: 'ready\n' });
  expect(ready.headers).toMatchObject({
    'cache-control': 'no-store',
    'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
    'x-content-type-options': 'nosniff',
  });
  expect(await get(`${listener.url}/healthz`, {}, 'HEAD')).toMatchObject({ status: 200, body: '' });
  expect(await get(`${listener.url}/nothing`)).toMatchObject({ status: 404 });
  const wrong = await get(`${listener.url}/healthz`, {}, 'POST');
  expect([wrong.status, wrong.headers.allow]).toEqual([405, 'GET, HEAD']);
});

test('a route for data needs the token, in the header only', async () => {
  const listener = await listen({ token: TOKEN });
  listener.add({
    path: '/api/*',
    access: 'token',
    reply: ({ path, query }) => ({ type: 'text/plain', body: `${path} ${query.get('q')}` }),
  });
  const url = `${listener.url}/api/kills?q=1`;
  expect(await get(url, { authorization: `Bearer ${TOKEN}` })).toMatchObject({ status: 200, body: '/api/kills 1' });
  const none = await get(url);
  expect([none.status, none.headers['www-authenticate']]).toEqual([401, 'Bearer']);
  for (const wrong of [`Bearer ${TOKEN}x`, `Basic ${TOKEN}`, 'Bearer', ''])
    expect((await get(url, { authorization: wrong })).status, wrong).toBe(401);
  expect((await get(`${url}&token=${TOKEN}`, { cookie: `token=${TOKEN}` })).status).toBe(401);
  expect(listener.link('/')).toBe(`${listener.url}/#token=${TOKEN}`);
});

test('without a token, a route for data refuses every request', async () => {
  const listener = await listen();
  listener.add({ path: '/api', access: 'token', reply: () => ({ type: 'text/plain', body: 'data' }) });
  for (const authorization of ['Bearer undefined', 'Bearer ', `Bearer ${TOKEN}`])
    expect((await get(`${listener.url}/api`, { authorization })).status).toBe(401);
  expect(listener.requireToken(TOKEN)).toBe(TOKEN);
  expect(listener.requireToken('another')).toBe(TOKEN);
  expect((await get(`${listener.url}/api`, { authorization: `Bearer ${TOKEN}` })).status).toBe(200);
});

test('a body is read up to the limit of its route', async () => {
  const listener = await listen();
  const echo = { access: 'open' as const, reply: ({ body }: { body: Buffer }) => ({ type: 'text/plain', body }) };
  listener.add({ path: '/echo', method: 'POST', mostBodyBytes: 1000, ...echo });
  listener.add({ path: '/none', method: 'POST', ...echo });
  const post = (path: string, body: string, headers = {}) => get(`${listener.url}${path}`, headers, 'POST', body);
  expect(await post('/echo', 'x'.repeat(1000))).toMatchObject({ status: 200, body: 'x'.repeat(1000) });
  expect(await post('/echo', 'x'.repeat(1001))).toMatchObject({ status: 413, body: expect.stringContaining('1000') });
  const chunked = { 'transfer-encoding': 'chunked' };
  expect(await post('/echo', 'x'.repeat(5000), chunked)).toMatchObject({ status: 413 });
  expect(await post('/none', 'x')).toMatchObject({ status: 413, body: 'Expected no body.\n' });
  expect(await post('/none', '')).toMatchObject({ status: 200 });
});

test('a route that fails answers 500 without its reason', async () => {
  const listener = await listen();
  const fail = () => {
    throw new Error('/etc/secret cannot be read');
  };
  listener.add({ path: '/now', access: 'open', reply: fail });
  listener.add({ path: '/later', access: 'open', reply: async () => fail() });
  for (const path of ['/now', '/later'])
    expect(await get(`${listener.url}${path}`)).toMatchObject({ status: 500, body: 'The server failed to answer.\n' });
  expect((await get(`${listener.url}/healthz`)).status).toBe(200);
});

test('streams are few, end with the client and with the listener', async () => {
  const listener = await listen({ mostStreams: 1 });
  const ended: string[] = [];
  listener.add({
    path: '/events',
    access: 'open',
    stream: (_, response) => {
      response.writeHead(200, { 'Content-Type': 'text/event-stream' });
      response.write('id: 1\ndata: x\n\n');
      response.once('close', () => ended.push('close'));
    },
  });
  const first = new Raw(listener.url).send('GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n');
  await first.until('data: x');
  expect((await get(`${listener.url}/events`)).status).toBe(503);
  first.socket.destroy();
  while (ended.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  const second = new Raw(listener.url).send('GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n');
  await second.until('data: x');
  await listener.close();
  expect(await second.closed).toContain('data: x');
});

test('a taken port, a foreign address and a privileged port each get a clear sentence', async () => {
  const listener = await listen();
  const port = Number(new URL(listener.url).port);
  await expect(listen({ address: { host: '127.0.0.1', port } })).rejects.toMatchObject({
    code: 'LISTEN',
    message: `Cannot listen on 127.0.0.1:${port}: another program listens on port ${port}. Choose another port, or end that program: "ss -tlnp" names it.`,
  });
  // 192.0.2.0/24 is reserved for documents (RFC 5737).
  await expect(listen({ address: { host: '192.0.2.1', port: 0 } })).rejects.toMatchObject({
    code: 'LISTEN',
    message: expect.stringContaining('192.0.2.1 is not an address of this machine.'),
  });
});

test('closes while clients are idle, send slowly and wait for an answer', async () => {
  const listener = await listen({ requestMs: 60_000 });
  listener.add({ path: '/never', access: 'open', reply: () => new Promise(() => {}) });
  const idle = new Raw(listener.url);
  const slow = new Raw(listener.url).send('GET /healthz HT');
  const waiting = new Raw(listener.url).send('GET /never HTTP/1.1\r\nHost: localhost\r\n\r\n');
  const kept = new Raw(listener.url).send('GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n');
  await kept.until('ok\n');
  await listener.close();
  await Promise.all([idle, slow, waiting, kept].map(({ closed }) => closed));
  await expect(exchange(listener.url, 'GET / HTTP/1.1')).resolves.toBe('');
});

test('features with the same address share a listener and its token', async () => {
  await using listeners = new Listeners();
  const metrics = await listeners.at('127.0.0.1:0', 'metrics.listen');
  const web = await listeners.at('localhost:0', 'web.listen', { token: TOKEN });
  expect(web).toBe(metrics);
  expect(metrics.link('/')).toContain(TOKEN);
  expect(await listeners.at('[::1]:0', 'web.listen').catch(({ code }) => code)).not.toBe(metrics);
  await expect(listeners.at('example.org', 'web.listen')).rejects.toMatchObject({ code: 'USAGE' });
});
