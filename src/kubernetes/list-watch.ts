/**
 * Follows objects of the API: one list, then one watch with bookmarks, which is continued where it ended. It never polls. A
 * server that no longer has the changes since then (410) is asked for a new list.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { backoffMs } from '../events/backoff.ts';
import { parseForeignJson } from '../text/foreign-json.ts';
import { ApiError, type KubernetesClient } from './client.ts';
import { number, record, text } from './foreign.ts';

export interface ListWatchOptions {
  client: KubernetesClient;
  /** "/api/v1/pods", and which of its objects: "spec.nodeName=n1"; empty: all. */
  path: string;
  fieldSelector: string;
  /** Lists the objects. @returns the version from which the watch goes on; undefined: the server named none */
  list: (signal: AbortSignal) => Promise<string | undefined>;
  /** Called with each change after the list. @param type "ADDED", "MODIFIED" or "DELETED" */
  onChange: (type: string, object: unknown) => void;
  /** Called with the first result and with each change: a sentence if the objects cannot be read, undefined if they can. */
  onTrouble?: ((problem: string | undefined) => void) | undefined;
  /** For tests: the pause before attempt `failures` (ms), and the time after which the server ends a watch (s). */
  pauseMs?: ((failures: number) => number) | undefined;
  watchSeconds?: number | undefined;
}

/** The server ends a watch after this time (s), somewhat varied, so that the nodes do not all begin anew at once. */
const WATCH_SECONDS = 300;
const LONGEST_PAUSE_MS = 60_000;
/** After a watch that ended sooner than this, the next one waits, or a broken server would be asked without end. */
const SHORT_WATCH_MS = 1000;

export class ListWatch implements Disposable {
  /** Resolves when the objects were read once, or the first attempt failed. */
  readonly ready: Promise<void>;
  readonly #options: ListWatchOptions;
  readonly #ended = new AbortController();
  #version: string | undefined;
  #isReady = () => {};
  /** undefined: nothing was told yet. */
  #troubled: boolean | undefined;

  constructor(options: ListWatchOptions) {
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
    const { list, pauseMs = apiPauseMs } = this.#options;
    for (let failures = 0; !signal.aborted; ) {
      try {
        this.#version ??= await list(signal);
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

  async #watch(): Promise<void> {
    const { client, path, fieldSelector, watchSeconds = WATCH_SECONDS } = this.#options;
    const seconds = Math.round(watchSeconds * (1 + Math.random()));
    const query = new URLSearchParams({
      ...{ watch: 'true', allowWatchBookmarks: 'true', fieldSelector },
      ...{ timeoutSeconds: String(seconds), resourceVersion: this.#version ?? '' },
    });
    // A connection that is dead without notice is given up soon after the server would have ended it.
    const idleMs = (seconds + 30) * 1000;
    await client.lines(`${path}?${query}`, this.#ended.signal, idleMs, (line) => this.#take(line));
  }

  #take(line: string): void {
    const { type, object } = record(parseForeignJson(line));
    const meta = record(record(object).metadata);
    if (type === 'ERROR') {
      const { code, message, reason } = record(object);
      throw new ApiError(number(code) ?? 500, text(message) ?? 'the watch has failed', { reason: text(reason) ?? '' });
    }
    if (type !== 'BOOKMARK') this.#options.onChange(text(type) ?? '', object);
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
export const apiPauseMs = (failures: number): number => backoffMs(failures + 1, 1000, LONGEST_PAUSE_MS);
