/** Asks the thread that reads the history. The thread starts with the first question, and ends a minute after the last. */
import type { Worker } from 'node:worker_threads';
import { type ErrorCode, OomscopeError } from '../model/error.ts';
import type { Answer, Asked, Question } from './history-reader.ts';
import { startThread } from './thread.ts';

const IDLE_MS = 60_000;
/** A question that is not answered for this long is given up, and the thread is ended (ms). */
const LONGEST_MS = 8000;
/** Questions that wait at most. */
const MOST_WAITING = 32;

interface Waiting {
  resolve: (json: string) => void;
  reject: (error: OomscopeError) => void;
}

export class HistoryReader implements AsyncDisposable {
  readonly #path: string;
  readonly #waiting = new Map<number, Waiting>();
  #worker: Worker | undefined;
  #number = 0;
  #idle: NodeJS.Timeout | undefined;

  constructor(path: string) {
    this.#path = path;
  }

  /** @returns JSON. @throws OomscopeError, in the form of a rejection */
  ask(question: Question): Promise<string> {
    if (this.#waiting.size >= MOST_WAITING)
      return Promise.reject(new OomscopeError('USAGE', 'Too many questions wait for the history: ask again later.'));
    const number = ++this.#number;
    return new Promise<string>((resolve, reject) => {
      const late = setTimeout(() => this.#giveUp(number), LONGEST_MS).unref();
      const settle = () => {
        clearTimeout(late);
        this.#waiting.delete(number);
        this.#rest();
      };
      this.#waiting.set(number, {
        resolve: (json) => {
          settle();
          resolve(json);
        },
        reject: (error) => {
          settle();
          reject(error);
        },
      });
      clearTimeout(this.#idle);
      this.#worker ??= this.#start();
      this.#worker.postMessage({ number, question } satisfies Asked);
    });
  }

  async close(): Promise<void> {
    clearTimeout(this.#idle);
    await this.#worker?.terminate();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #start(): Worker {
    const worker = startThread('history-reader', { workerData: { path: this.#path } });
    worker.on('message', ({ number, json, problem }: Answer) => {
      const waiting = this.#waiting.get(number);
      if (json !== undefined) waiting?.resolve(json);
      else waiting?.reject(new OomscopeError((problem?.code ?? 'USAGE') as ErrorCode, problem?.message ?? ''));
    });
    worker.on('error', () => {});
    worker.on('exit', () => {
      if (this.#worker === worker) this.#worker = undefined;
      for (const { reject } of [...this.#waiting.values()])
        reject(new OomscopeError('USAGE', 'The history took too long to answer: ask for a shorter time.'));
    });
    return worker;
  }

  #giveUp(number: number): void {
    if (this.#waiting.has(number)) void this.#worker?.terminate();
  }

  #rest(): void {
    if (this.#waiting.size > 0) return;
    clearTimeout(this.#idle);
    this.#idle = setTimeout(() => void this.#worker?.terminate(), IDLE_MS).unref();
  }
}
