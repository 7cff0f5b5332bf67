/** What the daemon has to endure: kills in short-lived containers, memory pressure, and receivers that stop answering. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { createServer as createSocketServer, type Socket } from 'node:net';
import { resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createMemoryGroup, type MemoryGroup } from '../../src/demo/memory-group.ts';

const MiB = 2 ** 20;
const built = (name: string) => resolve(import.meta.dirname, '../../build', name);
const run = async (file: string, ...args: string[]) => {
  const child = spawn(built(file), args, { stdio: ['ignore', 'ignore', 'ignore'], timeout: 60_000 });
  await once(child, 'exit');
};

/** A runtime that starts and removes containers all the time. It answers as Docker does. */
export class Runtime {
  readonly #server = createSocketServer((socket) => this.#answer(socket));
  readonly #listeners = new Set<Socket>();
  #made = 0;

  async listen(path: string): Promise<void> {
    this.#server.listen(path);
    await once(this.#server, 'listening');
  }

  /** A new container's id. Its events are sent. */
  start(): string {
    const id = (++this.#made).toString(16).padStart(64, '5');
    for (const action of ['create', 'start']) this.#send(action, id);
    return id;
  }

  end(id: string): void {
    for (const action of ['die', 'destroy']) this.#send(action, id);
  }

  /** Ends all connections, as a restart of the runtime does. */
  restart(): void {
    for (const socket of this.#listeners) socket.destroy();
  }

  close(): void {
    this.restart();
    this.#server.close();
  }

  #send(action: string, id: string): void {
    const attributes = { name: `soak-${id.slice(-6)}`, image: 'soak:1', ...(action === 'die' && { exitCode: '137' }) };
    const event = {
      Type: 'container',
      Action: action,
      Actor: { ID: id, Attributes: attributes },
      timeNano: Date.now() * 1e6,
    };
    for (const socket of this.#listeners) socket.write(`${JSON.stringify(event)}\n`);
  }

  #answer(socket: Socket): void {
    socket.on('error', () => {}).on('close', () => this.#listeners.delete(socket));
    socket.once('data', (head) => {
      const path = head.toString().split(' ')[1] ?? '';
      const ok = 'HTTP/1.0 200 OK\r\n\r\n';
      if (path.startsWith('/events')) {
        socket.write(ok);
        this.#listeners.add(socket);
      } else if (path === '/version') socket.end(`${ok}{"Components":[{"Name":"Engine"}]}`);
      else if (path.startsWith('/containers/json')) socket.end(`${ok}[]`);
      else socket.end('HTTP/1.0 404 Not Found\r\n\r\n{}');
    });
  }
}

/** A receiver of alerts that is there, answers 500, never answers, or is not there. */
export class Receiver {
  received = 0;
  refused = 0;
  readonly #port: number;
  #server: Server | undefined;

  constructor(port: number) {
    this.#port = port;
  }

  async set(state: 'up' | 'failing' | 'silent' | 'gone'): Promise<void> {
    await this.close();
    if (state === 'gone') return;
    this.#server = createServer((request, response) => {
      request.resume().on('end', () => {
        if (state === 'silent') return;
        if (state === 'up') this.received++;
        else this.refused++;
        response.writeHead(state === 'up' ? 200 : 500).end();
      });
    });
    this.#server.listen(this.#port, '127.0.0.1');
    await once(this.#server, 'listening');
  }

  async close(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (!server) return;
    server.closeAllConnections();
    await new Promise((closed) => server.close(closed));
  }
}

export interface Done {
  /** Kills that the kernel counted in the memory cgroups of the containers. */
  kills: number;
  containers: number;
  pressureSeconds: number;
}

/** Kills processes in containers that live for a moment, until the signal. */
export async function storm(top: MemoryGroup, runtime: Runtime, done: Done, signal: AbortSignal): Promise<void> {
  for (let round = 1; !signal.aborted; round++) {
    const id = runtime.start();
    const group = top.child(`docker-${id}.scope`, 16 * MiB);
    done.containers++;
    // Every tenth container has a storm: eight processes run out of memory at once.
    const hogs = round % 10 === 0 ? 8 : 2;
    await Promise.all(Array.from({ length: hogs }, () => run('hog', '--cgroup', group.path, '--max', `${64 * MiB}`)));
    done.kills += group.events().oom_kill;
    runtime.end(id);
    group.remove();
    await sleep(600);
  }
}

/** Reads a file that is larger than the cgroup's limit, in turns with rest, until the signal. */
export async function pressure(done: Done, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const group = createMemoryGroup({ limitBytes: 16 * MiB, name: `oomscope-soak-pressure-${process.pid}` });
    await run('thrash', '--cgroup', group.path, '--seconds', '5', '--file', `${32 * MiB}`, '--sparse');
    done.pressureSeconds += 5;
    group.remove();
    await sleep(10_000, undefined, { signal }).catch(() => {});
  }
}
