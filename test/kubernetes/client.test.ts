/** The client against a small HTTP server that answers as a real API server does not: too much, too deep, too busy. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, expect, test } from 'vitest';
import { findAccess } from '../../src/kubernetes/access.ts';
import { type ClientOptions, KubernetesClient } from '../../src/kubernetes/client.ts';
import { EventWriter } from '../../src/kubernetes/event-writer.ts';
import { eventsOfKill, type ObjectEvent } from '../../src/kubernetes/object-event.ts';
import { PodDirectory } from '../../src/kubernetes/pod-directory.ts';
import { PodWatch } from '../../src/kubernetes/pod-watch.ts';
import { proxyFor } from '../../src/kubernetes/proxy.ts';
import type { KubernetesFacts } from '../../src/model/kubernetes.ts';
import { podKill, podUid } from './kills.ts';

const directory = mkdtempSync(join(tmpdir(), 'oomscope-kubernetes-'));
afterAll(() => rmSync(directory, { recursive: true }));
const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});

async function serve(answer: RequestListener): Promise<string> {
  const server = createServer(answer);
  servers.push(server);
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

let written = 0;
function kubeconfig(server: string, user = 'token: secret'): string {
  const path = join(directory, `${++written}.yaml`);
  const rest = 'contexts: [{name: c, context: {cluster: k, user: u, namespace: n}}]\ncurrent-context: c\n';
  writeFileSync(
    path,
    `clusters:\n- name: k\n  cluster: {server: "${server}"}\n${rest}users:\n- name: u\n  user:\n    ${user}\n`,
  );
  return path;
}

const clientOf = (server: string, user?: string, options: ClientOptions = {}) =>
  new KubernetesClient(findAccess({ kubeconfig: kubeconfig(server, user) }), { env: {}, ...options });

const event = (id: string) =>
  eventsOfKill(
    podKill({ id }),
    { namespace: 'shop', pod: 'web', uid: podUid(1), container: 'app', container_kind: 'main' } as KubernetesFacts,
    'n1',
  )[0] as ObjectEvent;

test.each([
  ['an answer that is too long', 'x'.repeat(17 * 2 ** 20), 'more than 16777216 bytes'],
  ['an answer that is nested too deep', '['.repeat(100) + ']'.repeat(100), 'more than 64 levels'],
  ['an answer that is not JSON', '<html>', 'not JSON'],
])('%s is an error, and not more', async (_, body, says) => {
  const client = clientOf(await serve((_, response) => response.end(body)));
  await expect(client.request('/version')).rejects.toThrow(says);
});

test('an error page of a proxy, and a Status of the server, are one line', async () => {
  const server = await serve(({ url }, response) => {
    response.statusCode = url === '/html' ? 502 : 403;
    response.end(
      url === '/html' ? '\n<h1>Bad\u0007</h1>\nmore' : '{"kind":"Status","message":"no","reason":"Forbidden"}',
    );
  });
  const client = clientOf(server);
  await expect(client.request('/html')).rejects.toMatchObject({
    status: 502,
    message: '502 <h1>Bad\\x07</h1>',
    isPassing: true,
  });
  await expect(client.request('/')).rejects.toMatchObject({ status: 403, reason: 'Forbidden', isPassing: false });
});

test('a server that does not answer is given up', async () => {
  const client = clientOf(await serve(() => {}));
  await expect(client.request('/version', { timeoutMs: 200 })).rejects.toThrow('no answer in time');
});

test('after 429 the Events wait as long as Retry-After says, and none is lost', async () => {
  const times: number[] = [];
  const server = await serve((request, response) => {
    request.resume();
    times.push(performance.now());
    response.writeHead(times.length === 1 ? 429 : 201, { 'retry-after': '1' }).end('{}');
  });
  const writer = new EventWriter({ client: clientOf(server), pauseMs: () => 1 });
  for (let i = 0; i < 3; i++) writer.offer(event(`busy-${i}`));
  await expect.poll(() => writer.counts, { timeout: 5000 }).toMatchObject({ written: 3, waiting: 0 });
  await writer.close();
  expect((times[1] ?? 0) - (times[0] ?? 0)).toBeGreaterThan(950);
  expect(times).toHaveLength(4);
});

test('an API that is away: the queue is bounded, and what it drops is counted and told', async () => {
  const told: string[] = [];
  const client = clientOf('http://127.0.0.1:1');
  const writer = new EventWriter({ client, most: 5, pauseMs: () => 50, tell: (sentence) => told.push(sentence) });
  for (let i = 0; i < 20; i++)
    writer.offer({ ...event(`away-${i}`), regarding: { ...event('x').regarding, uid: `${i}` } });
  expect(writer.counts).toMatchObject({ dropped: 15, waiting: 5 });
  await writer.close();
  expect(told.join('\n')).toMatch(/queue of Kubernetes Events is full[\s\S]*5 kills were not written/);
});

test('an Event that has expired is created again with the count of its series', async () => {
  const sent: { method: string | undefined; count: number | undefined }[] = [];
  const server = await serve((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const { series } = JSON.parse(Buffer.concat(chunks).toString()) as ObjectEvent;
      sent.push({ method: request.method, count: series?.count });
      response.writeHead(request.method === 'PATCH' ? 404 : 201).end('{}');
    });
  });
  const writer = new EventWriter({ client: clientOf(server) });
  for (let i = 0; i < 13; i++) writer.offer(event(`expired-${i}`));
  await writer.close();
  expect(sent.slice(-2)).toEqual([
    { method: 'PATCH', count: 4 },
    { method: 'POST', count: 4 },
  ]);
});

test('a watch that the server answers with 410 begins with a new list, and one that it ends at once does not spin', async () => {
  const seen: string[] = [];
  const server = await serve(({ url = '' }, response) => {
    const isWatch = url.includes('watch=true');
    seen.push(isWatch ? 'watch' : 'list');
    if (!isWatch) response.end('{"metadata":{"resourceVersion":"5"},"items":[]}');
    else if (seen.length < 3) response.end('{"type":"ERROR","object":{"code":410,"message":"too old"}}\n');
    else response.end();
  });
  const pauses: number[] = [];
  const pauseMs = (failures: number) => {
    pauses.push(failures);
    return 20;
  };
  const watched = { client: clientOf(server), directory: new PodDirectory(), node: 'n1', pauseMs };
  using watch = new PodWatch(watched);
  await watch.ready;
  await expect.poll(() => pauses.length, { timeout: 5000 }).toBeGreaterThan(3);
  expect(seen.slice(0, 4)).toEqual(['list', 'watch', 'list', 'watch']);
  expect(pauses.slice(0, 4)).toEqual([0, 1, 2, 3]);
});

test('the program of a kubeconfig is not run unless it is allowed', async () => {
  const server = await serve(({ headers }, response) => response.end(JSON.stringify({ got: headers.authorization })));
  const script = join(directory, 'credentials.sh');
  writeFileSync(script, '#!/bin/sh\necho \'{"status":{"token":"printed"}}\'\n', { mode: 0o755 });
  const user = `exec: {command: ${script}, apiVersion: client.authentication.k8s.io/v1}`;
  await expect(clientOf(server, user).request('/')).rejects.toThrow(
    /which is not run unless it is allowed: add --allow-exec/,
  );
  expect(await clientOf(server, user, { allowExec: true }).request('/')).toEqual({ got: 'Bearer printed' });
});

test('the service account of a pod is used before ~/.kube/config, and after KUBECONFIG', () => {
  const account = join(directory, 'account');
  mkdirSync(account);
  for (const [name, content] of Object.entries({ token: 't', namespace: 'shop\n', 'ca.crt': 'c' }))
    writeFileSync(join(account, name), content);
  const env = { KUBERNETES_SERVICE_HOST: 'fd00::1', KUBERNETES_SERVICE_PORT: '6443' };
  expect(findAccess({ env, account, home: directory })).toMatchObject({
    namespace: 'shop',
    from: 'the service account',
  });
  expect(findAccess({ env, account, home: directory }).server.host).toBe('[fd00::1]:6443');
  const path = kubeconfig('https://a:1');
  expect(findAccess({ env: { ...env, KUBECONFIG: path }, account, home: directory }).from).toBe(`${path}, context c`);
  expect(() => findAccess({ env: {}, account, home: directory })).toThrow('There is no way to the Kubernetes API');
  expect(() => findAccess({ env, account: '/none', home: directory })).toThrow('has no service account token');
});

test.each([
  ['https://api.example:6443', { HTTPS_PROXY: 'http://p:1' }, 'http://p:1/'],
  ['https://api.example:6443', { https_proxy: 'p:1' }, 'http://p:1/'],
  ['https://api.example:6443', { HTTPS_PROXY: 'http://p:1', NO_PROXY: '.example' }, undefined],
  ['https://api.example:6443', { HTTPS_PROXY: 'http://p:1', NO_PROXY: 'api.example:443' }, 'http://p:1/'],
  ['https://10.1.2.3', { HTTPS_PROXY: 'http://p:1', NO_PROXY: '10.0.0.0/8' }, undefined],
  ['https://10.1.2.3', { HTTPS_PROXY: 'http://p:1', NO_PROXY: '10.2.0.0/16,x/y' }, 'http://p:1/'],
  ['https://127.0.0.1:6443', { HTTPS_PROXY: 'http://p:1' }, undefined],
  ['https://api.example', {}, undefined],
])('the proxy for %s by %j is %s', (server, env, expected) => {
  expect(proxyFor(new URL(server), env)?.href).toBe(expected);
});
