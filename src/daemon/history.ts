/** The history of `oomscope run`: it keeps events, and reads in what happened since the last stop. */
import type { Worker } from 'node:worker_threads';
import type { Config } from '../config/config.ts';
import { defaultHistoryPath } from '../history/file.ts';
import type { FromImport, ImportData } from '../history/log-import.ts';
import { HistoryRecorder } from '../history/recorder.ts';
import { startThread } from '../history/thread.ts';
import type { Event } from '../model/events.ts';
import { loadNative } from '../native/addon.ts';

/** How long the start waits until the kernel's log buffer is read, which needs a capability that may be given up then (ms). */
const KMSG_MS = 5000;
/** How long the start waits until the file is open (ms). */
const OPEN_MS = 3000;

/**
 * How long after the end of the thread its memory is given back (ms): 10 MB. V8 keeps the pages of a heap that has ended for 8 s.
 */
const FREED_MS = 10_000;

export interface HistoryOptions {
  tell: (sentence: string) => void;
  onLost: (lost: Record<string, number>) => void;
}

export class DaemonHistory implements AsyncDisposable {
  readonly path: string;
  readonly #recorder: HistoryRecorder;
  readonly #readsLog: boolean;
  readonly #tell: (sentence: string) => void;
  #import: Worker | undefined;

  /** @throws OomscopeError CONFIG */
  constructor(
    { path = defaultHistoryPath(), max_age, max_size, kernel_log }: NonNullable<Config['history']>,
    options: HistoryOptions,
  ) {
    this.path = path;
    this.#readsLog = kernel_log;
    this.#tell = options.tell;
    this.#recorder = new HistoryRecorder({ path, maxAgeMs: max_age, maxBytes: max_size, ...options });
  }

  take(event: Event): void {
    this.#recorder.take(event);
  }

  /**
   * Reads the kernel's log in another thread: after the tracer has started, so that no kill falls between the log and the
   * tracer.
   *
   * @returns when /dev/kmsg is read; the journal may take longer
   */
  async start(): Promise<void> {
    if (!this.#readsLog) return;
    const last = await soon(this.#recorder.opened, OPEN_MS);
    const data: ImportData = { last: last ?? null, journal: true };
    const worker = startThread('log-import', { workerData: data });
    this.#import = worker;
    const read = new Promise<void>((resolve) => {
      worker.on('message', (message: FromImport) => {
        if (message.was === 'found') this.#recorder.addLogged(message.entries);
        else if (message.was === 'kmsg') resolve();
        else if (message.problem !== null)
          this.#tell(`What happened since the last stop is not in the history: ${message.problem}`);
      });
      worker.on('error', (error) => this.#tell(`The kernel's log was not read into the history: ${error.message}`));
      worker.on('exit', () => {
        this.#import = undefined;
        setTimeout(() => loadNative().trimHeap(), FREED_MS).unref();
        resolve();
      });
    });
    await soon(read, KMSG_MS);
  }

  async close(): Promise<void> {
    await this.#import?.terminate();
    await this.#recorder.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

/** @returns undefined after `ms` */
async function soon<T>(promise: Promise<T>, ms: number): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
