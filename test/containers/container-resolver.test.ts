import { mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test, vi } from 'vitest';
import { ContainerResolver } from '../../src/containers/container-resolver.ts';
import type { RuntimeEvent } from '../../src/containers/container-runtime.ts';
import { type Answer, FakeRuntime, failed, ok } from '../runtimes/fake-runtime.ts';

const A = 'a1b2c3d4e5f60718'.repeat(4);
const B = '0f1e2d3c4b5a6978'.repeat(4);
const labels = {
  ...{ 'com.docker.compose.project': 'shop', 'com.docker.compose.service': 'web' },
  ...{ 'io.kubernetes.pod.uid': 'u', 'io.kubernetes.pod.name': 'shop-1', 'io.kubernetes.pod.namespace': 'prod' },
};
const listed = { Id: A, Names: ['/web'], Image: 'shop:1', Labels: labels, State: 'running' };
const inspected = { Id: B, Name: '/late', Config: { Image: 'shop:2', Labels: {} }, State: {}, HostConfig: {} };
const head = 'HTTP/1.0 200 OK\r\n\r\n';
const event = (Action: string, id: string, Attributes: object) =>
  `${JSON.stringify({ Type: 'container', Action, Actor: { ID: id, Attributes }, timeNano: Date.now() * 1e6 })}\n`;

/**
 * The answers of a runtime that lists one container and knows a second one. `more` replaces the answers for some
 * paths.
 */
const runtime =
  (more: Answer = () => undefined): Answer =>
  (path, socket) => {
    const other = more(path, socket);
    if (other !== undefined) return other;
    if (path === '/version') return ok({ Components: [{ Name: 'Engine' }] });
    if (path.startsWith('/containers/json')) return ok([listed]);
    if (path === `/containers/${B}/json`) return ok(inspected);
    if (path.startsWith('/containers/')) return failed(404, 'No such container');
    socket.write(head); // events: it stays open
    return undefined;
  };

const eventually = (check: () => void) => vi.waitFor(check, { timeout: 15_000 });

async function open(socket: string, onEvent?: (event: RuntimeEvent) => void) {
  const containers = new ContainerResolver({ sockets: [socket], storage: [], ...(onEvent && { onEvent }) });
  await containers.start();
  return { containers, [Symbol.dispose]: () => containers.close() };
}

describe('names of containers', () => {
  test('knows the containers that run at the start, with labels and pod', async () => {
    await using fake = await FakeRuntime.start(runtime());
    using opened = await open(fake.socket);
    const owner = opened.containers.ownerOf(`/kubepods/pod7c2b1f0e-91d4-4a53-8e6f-0123456789ab/${A}`);
    expect(owner.container).toMatchObject({ runtime: 'docker', name: 'web', image: 'shop:1', compose_service: 'web' });
    expect(owner.pod).toEqual({
      uid: '7c2b1f0e-91d4-4a53-8e6f-0123456789ab',
      name: 'shop-1',
      namespace: 'prod',
      qos: 'guaranteed',
    });
    expect(opened.containers.unnamed(`/docker/${A}`)).toEqual([]);
  });

  test('asks the runtimes once for an id, even if no runtime knows the id', async () => {
    await using fake = await FakeRuntime.start(runtime());
    using opened = await open(fake.socket);
    const { containers } = opened;
    expect(containers.ownerOf(`/docker/${B}`).container?.name).toBeNull();
    await Promise.all(Array.from({ length: 20 }, () => containers.learn(`/docker/${B}`, 5000)));
    expect(containers.ownerOf(`/docker/${B}`).container).toMatchObject({ name: 'late', image: 'shop:2' });
    const unknown = `/docker/${'9'.repeat(64)}`;
    for (let i = 0; i < 5; i++) await containers.learn(unknown, 5000);
    expect(fake.asked.filter((path) => /^\/containers\/[0-9a-f]{64}/.test(path))).toHaveLength(2);
  });

  test('finds the outer container’s name if the host’s runtime knows only the outer container', async () => {
    await using fake = await FakeRuntime.start(runtime());
    using opened = await open(fake.socket);
    expect(opened.containers.ownerOf(`/docker/${A}/docker/${'9'.repeat(64)}`).container?.name).toBe('web');
  });

  test('does not wait for a slow runtime, and uses its answer when it arrives', async () => {
    let answer: (() => void) | undefined;
    await using fake = await FakeRuntime.start((path, socket) => {
      if (path !== `/containers/${B}/json`) return runtime()(path, socket);
      answer = () => socket.end(ok(inspected));
      return undefined;
    });
    using opened = await open(fake.socket);
    await opened.containers.learn(`/docker/${B}`);
    expect(opened.containers.ownerOf(`/docker/${B}`).container).toMatchObject({ id: B, name: null });
    answer?.();
    await eventually(() => expect(opened.containers.ownerOf(`/docker/${B}`).container?.name).toBe('late'));
  });

  test('learns names from events, keeps them after the container was removed, and skips malformed lines', async () => {
    let stream: { write(text: string): unknown } | undefined;
    await using fake = await FakeRuntime.start(
      runtime((path, socket) => {
        if (path.startsWith('/events')) stream = socket;
        return undefined;
      }),
    );
    const heard: string[] = [];
    using opened = await open(fake.socket, ({ action }) => heard.push(action));
    await eventually(() => expect(stream).toBeDefined());
    const text = event('create', B, { name: 'brief', image: 'shop:3' }) + event('destroy', B, { name: 'brief' });
    const noise =
      '\n{"Type":"network","Action":"connect","Actor":{"ID":"x"}}\n[]\nnull\n{"Type":"container"}\n{broken\n';
    for (const part of [text.slice(0, 50), text.slice(50), noise, event('die', B, { exitCode: '137' })]) {
      stream?.write(part);
      await sleep(5);
    }
    await eventually(() => expect(heard).toEqual(['create', 'destroy', 'die']));
    expect(opened.containers.ownerOf(`/docker/${B}`).container).toMatchObject({ name: 'brief', image: 'shop:3' });
  });

  test('reads the events of a restarted runtime from the last event on', async () => {
    await using fake = await FakeRuntime.start(
      runtime((path, socket) => {
        // Later than the request by more than a millisecond, the resolution of the event's time.
        const answer = () => socket.write(head + event('start', A, { name: 'web' }));
        if (path.startsWith('/events')) setTimeout(answer, 5);
        return undefined;
      }),
    );
    const heard: string[] = [];
    using _opened = await open(fake.socket, ({ action }) => heard.push(action));
    await eventually(() => expect(heard).toHaveLength(1));
    await fake.restart();
    await eventually(() => expect(heard).toHaveLength(2));
    const since = fake.asked
      .filter((path) => path.startsWith('/events'))
      .map((path) => /since=([\d.]+)/.exec(path)?.[1]);
    expect(Number(since[1])).toBeGreaterThan(Number(since[0]));
  });

  test('connects to a runtime whose socket appears later, in a directory that appears later', async () => {
    const home = mkdtempSync(join(tmpdir(), 'oomscope-late-'));
    const socket = join(home, 'run', 'docker', 'docker.sock');
    const heard: string[] = [];
    await using fake = await FakeRuntime.start(
      runtime((path, connection) => {
        if (path.startsWith('/events'))
          setTimeout(() => connection.write(head + event('start', A, { name: 'web' })), 5);
        return undefined;
      }),
    );
    try {
      using opened = await open(socket, ({ action }) => heard.push(action));
      expect(opened.containers.unreachable.get(socket)).toContain('there is no such socket');
      expect(opened.containers.runtimes()).toEqual([]);
      mkdirSync(dirname(socket), { recursive: true });
      await sleep(120); // the new directory is watched by now
      symlinkSync(fake.socket, socket);
      await eventually(() => expect(heard).toEqual(['start']));
      expect(opened.containers.unreachable.size).toBe(0);
      expect(opened.containers.ownerOf(`/docker/${A}`).container?.name).toBe('web');
    } finally {
      rmSync(home, { recursive: true });
    }
  });

  test.each([
    ['not HTTP', () => 'SSH-2.0-OpenSSH\r\n\r\n', /does not come from a container runtime: not HTTP/],
    ['not JSON', () => `${head}<html>`, /does not come from a container runtime/],
    ['an error', () => failed(500, 'on fire'), /does not come from a container runtime: on fire/],
    ['nothing', () => '', /the connection ended before an answer/],
    ['headers without end', () => 'x'.repeat(100_000), /no end of the headers/],
  ] as [string, Answer, RegExp][])(
    'a socket that answers with %s is reported as unreachable',
    async (_, answer, expected) => {
      await using fake = await FakeRuntime.start(answer);
      using opened = await open(fake.socket);
      expect([...opened.containers.unreachable.values()]).toEqual([expect.stringMatching(expected)]);
      expect(opened.containers.runtimes()).toEqual([]);
      expect(opened.containers.ownerOf(`/docker/${A}`).container).toMatchObject({ id: A, name: null });
    },
  );

  test('remembers only the newest containers, up to a limit', async () => {
    const many = Array.from({ length: 5000 }, (_, i) => ({
      ...listed,
      Id: i.toString(16).padStart(64, '0'),
      Names: [`/c${i}`],
    }));
    await using fake = await FakeRuntime.start(
      runtime((path) => (path.startsWith('/containers/json') ? ok(many) : undefined)),
    );
    using opened = await open(fake.socket);
    const named = many.filter(({ Id }) => opened.containers.unnamed(`/docker/${Id}`).length === 0);
    expect(named).toHaveLength(2048);
    expect(named.at(-1)).toBe(many.at(-1));
  });
});
