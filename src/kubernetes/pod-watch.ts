/**
 * Follows the pods of one node: one list, then one watch with bookmarks, which is continued where it ended. It never polls,
 * and never lists the pods of other nodes.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { parseForeignJson } from '../text/foreign-json.ts';
import { ApiError, type KubernetesClient } from './client.ts';
import { number, record, text } from './foreign.ts';
import type { PodDirectory } from './pod-directory.ts';
import { readPod } from './pod-facts.ts';
import { listPods } from './pod-list.ts';

export interface PodWatchOptions {
  client: KubernetesClient;
  directory: PodDirectory;
  node: string;
  /** Called with the first result and with each change: a sentence if the pods cannot be read, undefined if they can. */
  onTrouble?: (problem: string | undefined) => void;
  /** For tests: the pause before attempt `failures` (ms), and the time after which the server ends a watch (s). */
  pauseMs?: (failures: number) => number;
  watchSeconds?: number;
}

/** The server ends a watch after this time (s), somewhat varied, so that the nodes do not all begin anew at once. */
const WATCH_SECONDS = 300;
const LONGEST_PAUSE_MS = 60_000;
/** After a watch that ended sooner than this, the next one waits, or a broken server would be asked without end. */
const SHORT_WATCH_MS = 1000;

export class PodWatch implements Disposable {
  /** Resolves when the pods were read once, or the first attempt failed. */
  readonly ready: Promise<void>;
  /** Lists so far. */
  lists = 0;
  readonly #options: PodWatchOptions;
  readonly #ended = new AbortController();
  #version: string | undefined;
  #isReady = () => {};
  /** undefined: nothing was told yet. */
  #troubled: boolean | undefined;

  constructor(options: PodWatchOptions) {
    this.#options = options;
    this.ready = new Promise((resolve) => {
      this.#isReady = resolve;
    });
    void this.#follow();
  }

  [Symbol.dispose](): void {
    this.#ended.abort();
    this.#isReady();
  }

  async #follow(): Promise<void> {
    const { signal } = this.#ended;
    const { pauseMs = backoffMs } = this.#options;
    for (let failures = 0; !signal.aborted; ) {
      try {
        if (this.#version === undefined) await this.#list();
        this.#tell(undefined);
        this.#isReady();
        const began = performance.now();
        await this.#watch();
        if (performance.now() - began < SHORT_WATCH_MS) throw new ApiError(0, 'the server ends each watch at once');
        failures = 0;
      } catch (error) {
        if (signal.aborted) return;
        const { status, retryAfterMs } = error instanceof ApiError ? error : new ApiError(0, '');
        // 410 Gone: the server no longer has the changes since our version.
        if (status === 410) this.#version = undefined;
        else this.#tell((error as Error).message);
        this.#isReady();
        const pause = Math.max(status === 410 ? Math.random() * 1000 : pauseMs(failures++), retryAfterMs ?? 0);
        await sleep(pause, undefined, { signal }).catch(() => {});
      }
    }
  }

  async #list(): Promise<void> {
    const { client, directory, node } = this.#options;
    const { pods, version } = await listPods(client, node, this.#ended.signal);
    this.lists++;
    directory.replace(pods);
    this.#version = version;
  }

  async #watch(): Promise<void> {
    const { client, node, watchSeconds = WATCH_SECONDS } = this.#options;
    const seconds = Math.round(watchSeconds * (1 + Math.random()));
    const query = new URLSearchParams({
      ...{ watch: 'true', allowWatchBookmarks: 'true', fieldSelector: `spec.nodeName=${node}` },
      ...{ timeoutSeconds: String(seconds), resourceVersion: this.#version ?? '' },
    });
    // A connection that is dead without notice is given up soon after the server would have ended it.
    const idleMs = (seconds + 30) * 1000;
    await client.lines(`/api/v1/pods?${query}`, this.#ended.signal, idleMs, (line) => this.#take(line));
  }

  #take(line: string): void {
    const { type, object } = record(parseForeignJson(line));
    const meta = record(record(object).metadata);
    if (type === 'ERROR') {
      const { code, message, reason } = record(object);
      throw new ApiError(number(code) ?? 500, text(message) ?? 'the watch has failed', { reason: text(reason) ?? '' });
    }
    if (type !== 'BOOKMARK') {
      const pod = readPod(object);
      if (pod && type === 'DELETED') this.#options.directory.remove(pod);
      else if (pod) this.#options.directory.set(pod);
    }
    this.#version = text(meta.resourceVersion) ?? this.#version;
  }

  /** Tells the first result, and each change. */
  #tell(problem: string | undefined): void {
    if ((problem !== undefined) === this.#troubled) return;
    this.#troubled = problem !== undefined;
    this.#options.onTrouble?.(problem);
  }
}

/** Doubles from 1 s to a minute; half of it is random, so that a fleet does not return at once. */
export function backoffMs(failures: number): number {
  return Math.min(1000 * 2 ** failures, LONGEST_PAUSE_MS) * (0.5 + Math.random() / 2);
}
