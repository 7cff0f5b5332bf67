/** Attacks by another user of the machine, who owns files and a socket that the resolver reads. */
import { execFileSync } from 'node:child_process';
import { chownSync, linkSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { describe, expect, test, vi } from 'vitest';
import { ContainerResolver } from '../../src/containers/container-resolver.ts';
import { KnownContainers } from '../../src/containers/known-containers.ts';
import { creatorOf } from '../../src/containers/other-user.ts';
import { storedContainers } from '../../src/containers/podman-storage.ts';
import { possibleSockets } from '../../src/containers/runtime-sockets.ts';
import type { Container } from '../../src/model/container.ts';
import { type Answer, FakeRuntime, ok } from '../runtimes/fake-runtime.ts';

const USER = 65_534;
const isRoot = process.getuid?.() === 0;
const A = 'a1b2c3d4e5f60718'.repeat(4);
const B = '0f1e2d3c4b5a6978'.repeat(4);
const delegated = `/user.slice/user-${USER}.slice/user@${USER}.service`;
const listOf = (id: string, name: string) => JSON.stringify([{ id, names: [name], metadata: '{}' }]);
const container = (id: string, name: string): Container => ({
  ...{ runtime: 'docker', id, name, image: null, compose_project: null, compose_service: null },
});

/** A home of the other user in a temporary directory. */
class Home implements Disposable {
  readonly top = mkdtempSync(join(tmpdir(), 'oomscope-home-'));
  readonly homes = [join(this.top, '*', 'storage')];
  readonly directory = join(this.top, 'user', 'storage', 'overlay-containers');
  readonly list = join(this.directory, 'containers.json');

  constructor() {
    mkdirSync(this.directory, { recursive: true });
    for (let path = this.directory; path !== this.top; path = dirname(path)) chownSync(path, USER, USER);
  }

  write(text: string): void {
    writeFileSync(this.list, text);
    chownSync(this.list, USER, USER);
  }

  [Symbol.dispose](): void {
    rmSync(this.top, { recursive: true });
  }
}

describe.skipIf(!isRoot)('lists of containers in the home of another user', () => {
  test('are read only with otherUsers', () => {
    using home = new Home();
    home.write(listOf(A, 'web'));
    expect(storedContainers({ homes: home.homes })).toEqual([]);
    expect(storedContainers({ homes: home.homes, otherUsers: true })).toMatchObject([
      { user: USER, container: { id: A } },
    ]);
  });

  test.each<[string, (home: Home) => void]>([
    ['a FIFO', ({ list }) => execFileSync('mkfifo', [list])],
    ['a link to /dev/zero', ({ list }) => symlinkSync('/dev/zero', list)],
    [
      'a link to a list of root',
      ({ top, list }) => {
        writeFileSync(join(top, 'roots'), listOf(A, 'web'));
        symlinkSync(join(top, 'roots'), list);
      },
    ],
    [
      'a hard link to a list of root',
      ({ top, list }) => {
        writeFileSync(join(top, 'roots'), listOf(A, 'web'));
        linkSync(join(top, 'roots'), list);
      },
    ],
    ['a directory', ({ list }) => mkdirSync(list)],
    ['twelve million brackets', (home) => home.write('['.repeat(12_000_000))],
    ['a megabyte of brackets', (home) => home.write('['.repeat(1_000_000))],
    ['a name of 100 kB for an id of 100 kB', (home) => home.write(listOf('a'.repeat(100_000), 'b'.repeat(100_000)))],
  ])('%s is not read, and does not block', (_, make) => {
    using home = new Home();
    make(home);
    expect(storedContainers({ homes: home.homes, otherUsers: true })).toEqual([]);
  });

  test('a FIFO as the storage directory does not block', () => {
    using home = new Home();
    rmSync(join(home.top, 'user', 'storage'), { recursive: true });
    execFileSync('mkfifo', [join(home.top, 'user', 'storage')]);
    expect(storedContainers({ homes: home.homes, otherUsers: true })).toEqual([]);
  });

  test('name only containers in the cgroups of that user', async () => {
    using home = new Home();
    home.write(listOf(A, 'false-name'));
    const containers = new ContainerResolver({ sockets: [], storage: home.homes, otherUsers: true });
    await containers.start();
    try {
      const name = (path: string) => containers.ownerOf(path).container?.name;
      expect(name(`${delegated}/user.slice/libpod-${A}.scope`)).toBe('false-name');
      expect(name(`/docker/${A}`)).toBeNull();
      expect(name(`/machine.slice/libpod-${A}.scope`)).toBeNull();
      expect(name(`/user.slice/user-1000.slice/user@1000.service/libpod-${A}.scope`)).toBeNull();
    } finally {
      containers.close();
    }
  });
});

describe('a cgroup with the id of a container of root', () => {
  test('does not make that container the accused', () => {
    const known = new KnownContainers();
    for (const [id, name] of [
      [A, 'web'],
      [B, 'database'],
    ] as const)
      known.set({ container: container(id, name), pod: null }, null);
    expect(known.inPath(`/docker/${B}`)?.container.name).toBe('database');
    expect(known.inPath(`${delegated}/docker-${B}.scope`)).toBeUndefined();
    expect(known.isFalse(`${delegated}/docker-${B}.scope`, B)).toBe(true);
    expect(known.inPath(`/docker/${A}/docker/${B}`)?.container.name).toBe('web');
    expect(known.inPath(`/docker/${A}/docker/${A}`)?.container.name).toBe('web');
  });

  test('is not in the event of a kill in that cgroup', async () => {
    await using fake = await FakeRuntime.start((path, socket) => {
      if (path === '/version') return ok({});
      if (path.startsWith('/containers/json')) return ok([{ Id: B, Names: ['/database'], Labels: {} }]);
      if (path.startsWith('/events')) socket.write('HTTP/1.0 200 OK\r\n\r\n');
      return undefined;
    });
    const containers = new ContainerResolver({ sockets: [fake.socket], storage: [] });
    await containers.start();
    try {
      expect(containers.ownerOf(`/docker/${B}`).container?.name).toBe('database');
      expect(containers.ownerOf(`${delegated}/docker-${B}.scope`).container).toBeNull();
      expect(containers.ownerOf(`${delegated}/docker-${A}.scope/docker/${B}`).container?.id).toBe(A);
    } finally {
      containers.close();
    }
  });

  test.skipIf(!isRoot)('is found by the owner of the directory above it, too', () => {
    const mount = mkdtempSync(join(tmpdir(), 'oomscope-cgroups-'));
    try {
      mkdirSync(join(mount, 'system.slice', 'shop.service', 'part'), { recursive: true });
      chownSync(join(mount, 'system.slice', 'shop.service'), USER, USER);
      chownSync(join(mount, 'system.slice', 'shop.service', 'part'), USER, USER);
      expect(creatorOf(`/system.slice/docker-${B}.scope`, mount)).toBeNull();
      expect(creatorOf(`/system.slice/shop.service/docker-${B}.scope`, mount)).toBe(USER);
      expect(creatorOf(`/system.slice/shop.service/removed/docker-${B}.scope`, mount)).toBe(USER);
      const known = new KnownContainers(mount);
      known.set({ container: container(B, 'database'), pod: null }, null);
      expect(known.inPath(`/system.slice/shop.service/part/docker-${B}.scope`)).toBeUndefined();
    } finally {
      rmSync(mount, { recursive: true });
    }
  });

  test.skipIf(!isRoot)('belongs to the new owner of the directory a minute after the owner has changed', () => {
    vi.useFakeTimers({ toFake: ['performance'] });
    const mount = mkdtempSync(join(tmpdir(), 'oomscope-cgroups-'));
    try {
      mkdirSync(join(mount, 'shop'));
      const known = new KnownContainers(mount);
      const user = () => known.userOf(`/shop/docker-${B}.scope`, B);
      expect(user()).toBeNull();
      chownSync(join(mount, 'shop'), USER, USER);
      vi.advanceTimersByTime(59_000);
      expect(user()).toBeNull();
      vi.advanceTimersByTime(1_000);
      expect(user()).toBe(USER);
    } finally {
      vi.useRealTimers();
      rmSync(mount, { recursive: true });
    }
  });
});

const head = 'HTTP/1.0 200 OK\r\n\r\n';
const dies = (id: string, time = '1e18') =>
  `{"Type":"container","Action":"die","Actor":{"ID":"${id}","Attributes":{"exitCode":"137"}},"timeNano":${time}}\n`;

/** A runtime of the other user that answers the requests for events. `more` replaces the answers for some paths. */
const answers =
  (events: string, more: Answer = () => undefined): Answer =>
  (path, socket) => {
    const other = more(path, socket);
    if (other !== undefined) return other;
    if (path === '/version') return ok({});
    if (path.startsWith('/containers/json')) return ok([]);
    if (path.startsWith('/events')) socket.write(head + events);
    return undefined;
  };

async function attack(answer: Answer) {
  const fake = await FakeRuntime.start(answer);
  chownSync(dirname(fake.socket), USER, USER);
  chownSync(fake.socket, USER, USER);
  const heard: string[] = [];
  let lost = 0;
  const containers = new ContainerResolver({
    ...{ sockets: [fake.socket], storage: [], otherUsers: true },
    onEvent: (event) => heard.push(event.container.id),
    onLost: (count) => {
      lost += count;
    },
  });
  await containers.start();
  return {
    ...{ containers, heard, fake },
    lost: () => lost,
    async [Symbol.asyncDispose]() {
      containers.close();
      await fake[Symbol.asyncDispose]();
    },
  };
}

const eventually = (check: () => void) => vi.waitFor(check, { timeout: 15_000 });

describe.skipIf(!isRoot)('a socket of another user', () => {
  test('is not looked for without otherUsers', () => {
    const run = mkdtempSync(join(tmpdir(), 'oomscope-run-'));
    try {
      mkdirSync(join(run, 'user', String(USER)), { recursive: true });
      chownSync(join(run, 'user', String(USER)), USER, USER);
      const env = { XDG_RUNTIME_DIR: join(run, 'user', String(USER)) };
      const theirs = join(run, 'user', String(USER), 'docker.sock');
      expect(possibleSockets({ env, run }).docker).toEqual([join(run, 'docker.sock')]);
      expect(possibleSockets({ env, run, otherUsers: true }).docker).toEqual([join(run, 'docker.sock'), theirs]);
    } finally {
      rmSync(run, { recursive: true });
    }
  });

  test.each(['1e999', '-1e999', '-1', '"x"', '[]', '1e30'])(
    'sends an event with the time %s: the event is lost and counted, the next one is used',
    async (time) => {
      await using attacked = await attack(answers(dies(A, time) + dies(B)));
      await eventually(() => expect(attacked.heard).toEqual([B]));
      await eventually(() => expect(attacked.lost()).toBe(1));
    },
  );

  test('sends a line of nested brackets: the line is lost and counted', async () => {
    await using attacked = await attack(answers(`${'['.repeat(500_000)}\n${dies(B)}`));
    await eventually(() => expect(attacked.heard).toEqual([B]));
    await eventually(() => expect(attacked.lost()).toBe(1));
  });

  test('sends a line without end: the connection ends, and the reason is known', async () => {
    await using attacked = await attack(answers('['.repeat(4_000_000)));
    await eventually(() =>
      expect([...attacked.containers.unreachable.values()]).toEqual([expect.stringContaining('a line of more than')]),
    );
  });

  test('floods with events: the rest is lost, the connection ends, and is not tried again at once', async () => {
    const flood = Array.from({ length: 5000 }, (_, i) => dies(i.toString(16).padStart(64, '0'))).join('');
    await using attacked = await attack(answers(flood));
    await eventually(() => expect(attacked.lost()).toBe(1));
    expect(attacked.heard).toHaveLength(1000);
    expect([...attacked.containers.unreachable.values()]).toEqual([expect.stringContaining('more than 1000 events')]);
    expect(attacked.fake.asked.filter((path) => path.startsWith('/events'))).toHaveLength(1);
  });

  test.each<[string, Answer, RegExp]>([
    [
      '16 MB of nested brackets',
      (path) => (path === '/version' ? head + '['.repeat(16_000_000) : undefined),
      /more than/,
    ],
    [
      'a megabyte of nested brackets',
      (path) => (path === '/version' ? head + '['.repeat(900_000) : undefined),
      /64 levels/,
    ],
    [
      'a million values',
      (path) => (path === '/version' ? `${head}[${'1,'.repeat(520_000)}1]` : undefined),
      /values|more than/,
    ],
    ['endless headers', () => `HTTP/1.0 200 OK\r\n${'X-A: b\r\n'.repeat(20_000)}`, /no end of the headers/],
  ])('answers with %s: it is said to be no runtime', async (_, answer, expected) => {
    await using attacked = await attack(answer);
    expect([...attacked.containers.unreachable.values()]).toEqual([expect.stringMatching(expected)]);
  });

  test('never answers: close() ends the request at once', async () => {
    const fake = await FakeRuntime.start(() => undefined);
    const containers = new ContainerResolver({ sockets: [fake.socket], storage: [] });
    const started = containers.start();
    await eventually(() => expect(fake.asked).toEqual(['/version']));
    const before = performance.now();
    containers.close();
    await started;
    expect(performance.now() - before).toBeLessThan(2000);
    await fake[Symbol.asyncDispose]();
  });

  test('names only containers in the cgroups of that user', async () => {
    const listed = answers('', (path) =>
      path.startsWith('/containers/json') ? ok([{ Id: A, Names: ['/false-name'], Labels: {} }]) : undefined,
    );
    await using attacked = await attack(listed);
    expect(attacked.containers.ownerOf(`/docker/${A}`).container?.name).toBeNull();
    expect(attacked.containers.ownerOf(`${delegated}/docker-${A}.scope`).container?.name).toBe('false-name');
  });

  test('replaced by the socket of another owner, is not asked again', async () => {
    await using attacked = await attack(answers(''));
    const known = attacked.containers.runtimes();
    chownSync(attacked.fake.socket, USER - 1, USER - 1);
    await attacked.containers.learn(`/docker/${B}`, 5000);
    expect(known).toEqual(['docker']);
    expect(attacked.fake.asked.filter((path) => path.includes(B))).toEqual([]);
  });

  test('sends an event about a container of root: the event is lost and counted', async () => {
    await using roots = await FakeRuntime.start((path, socket) => {
      if (path === '/version') return ok({});
      if (path.startsWith('/containers/json')) return ok([{ Id: A, Names: ['/database'], Labels: {} }]);
      if (path.startsWith('/events')) socket.write(head);
      return undefined;
    });
    await using theirs = await FakeRuntime.start(answers(dies(A) + dies(B)));
    chownSync(dirname(theirs.socket), USER, USER);
    chownSync(theirs.socket, USER, USER);
    const heard: string[] = [];
    const onEvent = (event: { container: Container }) => heard.push(event.container.id);
    const containers = new ContainerResolver({ sockets: [roots.socket, theirs.socket], storage: [], onEvent });
    await containers.start();
    try {
      await eventually(() => expect(heard).toEqual([B]));
    } finally {
      containers.close();
    }
  });
});
