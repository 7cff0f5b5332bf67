/** A fake runtime that is slow, answers nonsense or disappears. A real runtime cannot be made to do that. */
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** The raw answer for a path; undefined: no answer, and the connection stays open. */
export type Answer = (path: string, socket: Socket) => string | undefined;

export class FakeRuntime implements AsyncDisposable {
  readonly socket: string;
  readonly asked: string[] = [];
  readonly #home: string;
  readonly #open = new Set<Socket>();
  #server: Server;
  answer: Answer;

  private constructor(answer: Answer) {
    this.answer = answer;
    this.#home = mkdtempSync(join(tmpdir(), 'oomscope-runtime-'));
    chmodSync(this.#home, 0o755); // access depends on the mode of the socket alone
    this.socket = join(this.#home, 'docker.sock');
    this.#server = this.#make();
  }

  static async start(answer: Answer): Promise<FakeRuntime> {
    const fake = new FakeRuntime(answer);
    await fake.#listen();
    return fake;
  }

  /** Closes all connections and listens again, like a restarted daemon. */
  async restart(): Promise<void> {
    await this.#end();
    this.#server = this.#make();
    await this.#listen();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#end();
    rmSync(this.#home, { recursive: true });
  }

  #make(): Server {
    return createServer((socket) => {
      this.#open.add(socket);
      socket.on('error', () => {}).on('close', () => this.#open.delete(socket));
      socket.once('data', (head) => {
        const path = head.toString().split(' ')[1] ?? '';
        this.asked.push(path);
        const text = this.answer(path, socket);
        if (text !== undefined) socket.end(text);
      });
    });
  }

  #listen(): Promise<void> {
    return new Promise((resolve) => this.#server.listen(this.socket, resolve));
  }

  #end(): Promise<void> {
    for (const socket of this.#open) socket.destroy();
    return new Promise((resolve) => this.#server.close(() => resolve()));
  }
}

export const ok = (body: unknown) => `HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n${JSON.stringify(body)}`;
export const failed = (status: number, message: string) =>
  `HTTP/1.0 ${status} Nope\r\n\r\n${JSON.stringify({ message })}`;
