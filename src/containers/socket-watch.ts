/**
 * Notices unix sockets that appear when a runtime is started or restarted while oomscope runs. If a socket's directory
 * does not exist yet, the nearest ancestor that exists is watched.
 */
import { existsSync, statSync, watch } from 'node:fs';
import { dirname } from 'node:path';

/** Several changes of a directory within this time cause one check. */
const SETTLE_MS = 50;

export class SocketWatch {
  readonly #paths: readonly string[];
  readonly #signal: AbortSignal;
  /** For each path, what identifies the current socket. undefined: the socket does not exist. */
  readonly #present = new Map<string, string | undefined>();
  readonly #watched = new Set<string>();
  readonly #waiting = new Map<string, () => void>();
  #timer: NodeJS.Timeout | undefined;

  constructor(paths: readonly string[], signal: AbortSignal) {
    this.#paths = paths;
    this.#signal = signal;
    for (const path of paths) this.#present.set(path, identityOf(path));
    this.#watchDirectories();
    signal.addEventListener('abort', () => {
      clearTimeout(this.#timer);
      for (const resolve of this.#waiting.values()) resolve();
    });
  }

  /**
   * Resolves when the socket appears, when another socket replaces it, after `timeoutMs`, or when the signal is
   * aborted.
   *
   * @param timeoutMs ignored while the socket does not exist
   */
  async appears(path: string, timeoutMs: number): Promise<void> {
    if (this.#signal.aborted) return;
    let timer: NodeJS.Timeout | undefined;
    await new Promise<void>((resolve) => {
      this.#waiting.set(path, resolve);
      if (this.#present.get(path) !== undefined) timer = setTimeout(resolve, timeoutMs);
    });
    clearTimeout(timer);
    this.#waiting.delete(path);
  }

  #watchDirectories(): void {
    for (const path of this.#paths) {
      const directory = nearestDirectory(path);
      if (this.#watched.has(directory)) continue;
      try {
        const watcher = watch(directory, { persistent: false, signal: this.#signal }, () => this.#check());
        this.#watched.add(directory);
        watcher.on('error', () => this.#watched.delete(directory));
      } catch {
        // The directory is not readable, or no inotify watch is left. Then the socket is found at the next change
        // elsewhere.
      }
    }
  }

  #check(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      if (this.#signal.aborted) return;
      this.#watchDirectories();
      for (const path of this.#paths) {
        const identity = identityOf(path);
        const isNew = identity !== undefined && identity !== this.#present.get(path);
        this.#present.set(path, identity);
        if (isNew) this.#waiting.get(path)?.();
      }
    }, SETTLE_MS).unref();
  }
}

function identityOf(path: string): string | undefined {
  const stat = statSync(path, { throwIfNoEntry: false });
  return stat && `${stat.dev}:${stat.ino}:${stat.ctimeMs}`;
}

function nearestDirectory(path: string): string {
  let directory = dirname(path);
  while (directory !== '/' && !existsSync(directory)) directory = dirname(directory);
  return directory;
}
