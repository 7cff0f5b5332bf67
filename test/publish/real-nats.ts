/** Runs Debian's nats-server with JetStream on loopback, and a proxy before it that can be cut. */
import { type ChildProcess, spawn } from 'node:child_process';
import { accessSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { until } from '../alerts/receiver.ts';
import { ROOT } from '../cli/cli.ts';
import { freePort } from '../free-port.ts';

const PROGRAM = join(ROOT, 'build/test-packages/usr/sbin/nats-server');
/** The server of Debian 12, which is too old. */
export const NATS_2_9 = join(ROOT, 'build/test-packages/bookworm/usr/sbin/nats-server');

/** A server that was killed reads its whole store again, which takes a minute with some gigabytes on a busy machine. */
const MOST_TRIES = 10_000;

/** Why nats-server cannot be started here; undefined when it can. For `describe.skipIf(…)`. */
export function natsUnavailable(program = PROGRAM): string | undefined {
  try {
    accessSync(program);
    return undefined;
  } catch {
    return 'needs Debian’s nats-server: sh scripts/packages.sh test <scripts/test-packages';
  }
}

/** Waits until the condition holds, also on a machine that is busy with other work. */
export const patiently = (holds: () => boolean | Promise<boolean>): Promise<void> => until(holds, 60_000);

export interface NatsSettings {
  /** Lines of the server's configuration. */
  config?: string;
  jetstream?: boolean;
  /** The server to run. */
  program?: string;
}

export class RealNats implements AsyncDisposable {
  readonly directory = mkdtempSync(join(tmpdir(), 'oomscope-nats-'));
  readonly port: number;
  #child: ChildProcess | undefined;
  #log = '';
  readonly #program: string;

  private constructor(port: number, program = PROGRAM) {
    this.port = port;
    this.#program = program;
  }

  static async start(settings: NatsSettings = {}): Promise<RealNats> {
    const server = new RealNats(await freePort(), settings.program);
    server.configure(settings);
    try {
      await server.up();
    } catch (error) {
      await server.stop();
      throw error;
    }
    return server;
  }

  /** Starts servers that form a cluster. */
  static async cluster(count: number): Promise<RealNats[]> {
    const servers: RealNats[] = [];
    for (let i = 0; i < count; i++) servers.push(new RealNats(await freePort()));
    const routes = await Promise.all(servers.map(() => freePort()));
    const list = routes.map((port) => `nats://127.0.0.1:${port}`).join(', ');
    for (const [i, server] of servers.entries()) {
      const cluster = `cluster { name: test, host: 127.0.0.1, port: ${routes[i]}, routes: [${list}] }`;
      server.configure({ config: `server_name: s${i}\n${cluster}` });
    }
    await Promise.all(servers.map((server) => server.up()));
    await patiently(() => servers.some(({ log }) => log.includes('cluster new metadata leader')));
    return servers;
  }

  get url(): string {
    return `nats://127.0.0.1:${this.port}`;
  }

  get log(): string {
    return this.#log;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** Writes the configuration that the next up() uses. */
  configure({ config = '', jetstream = true }: NatsSettings = {}): void {
    const store = jetstream ? `jetstream { store_dir: "${this.directory}/data" }\n` : '';
    writeFileSync(join(this.directory, 'nats.conf'), `host: 127.0.0.1\nport: ${this.port}\n${store}${config}\n`);
  }

  async up(): Promise<void> {
    const child = spawn(this.#program, ['-c', join(this.directory, 'nats.conf')], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    this.#child = child;
    child.stderr?.on('data', (chunk: Buffer) => {
      this.#log = `${this.#log}${chunk}`.slice(-20_000);
    });
    for (let tries = 0; !(await canConnect(this.port)); tries++) {
      if (child.exitCode !== null || tries > MOST_TRIES) throw new Error(`nats-server did not start: ${this.#log}`);
      await sleep(20);
    }
  }

  async down(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (!child || child.exitCode !== null) return;
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.kill(signal);
    await gone;
  }

  /** Sends a signal that does not end the server: SIGSTOP makes it a server that does not answer. */
  signal(signal: 'SIGSTOP' | 'SIGCONT'): void {
    this.#child?.kill(signal);
  }

  async stop(): Promise<void> {
    await this.down();
    rmSync(this.directory, { recursive: true, force: true });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}

/** A TCP proxy on loopback whose connections can be cut. */
export class TcpProxy implements AsyncDisposable {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #isCut = false;

  private constructor(target: number) {
    this.#server = createServer((client) => {
      if (this.#isCut) {
        client.destroy();
        return;
      }
      const server = connect(target, '127.0.0.1');
      for (const [one, other] of [
        [client, server],
        [server, client],
      ] as const) {
        this.#sockets.add(one);
        one.on('error', () => {});
        one.on('close', () => {
          this.#sockets.delete(one);
          other.destroy();
        });
        one.pipe(other);
      }
    });
  }

  static async before(target: number): Promise<TcpProxy> {
    const proxy = new TcpProxy(target);
    await new Promise<void>((resolve) => proxy.#server.listen(0, '127.0.0.1', resolve));
    return proxy;
  }

  get url(): string {
    return `nats://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Breaks every connection, and refuses new ones until mend(). */
  cut(): void {
    this.#isCut = true;
    for (const socket of this.#sockets) socket.destroy();
  }

  mend(): void {
    this.#isCut = false;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.cut();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

async function canConnect(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.on('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', () => resolve(false));
  });
}
