/**
 * Notices on a thread of the addon that memory moves. A look there costs some 10 µs; in JavaScript it costs a turn of the
 * event loop, which is 200 µs, and 2 % of a CPU at a look every 10 ms.
 */
import { type LevelWatcher, loadNative } from '../../native/addon.ts';

/** A figure of a file, and the limits within which it may move. */
export interface Limit {
  fd: number | undefined;
  /** The number follows this name; "": the file begins with the number. */
  name: string;
  least?: number;
  most?: number;
  /** The shortest interval between two looks (ms), where a look is expensive. */
  leastMs?: number;
}

const ANY = 2n ** 64n - 1n;

export class MoveWatch {
  #watcher: LevelWatcher | null | undefined;
  #onMoved: () => void = () => {};

  /**
   * Calls `onMoved` once, when a figure has left its limits or cannot be read. Replaces what was watched before.
   *
   * @returns false: nothing is watched, because no thread can be started or a file is closed
   */
  watch(limits: readonly (Limit & { everyMs: number })[], onMoved: () => void): boolean {
    if (limits.length === 0) {
      this.stop();
      return true;
    }
    const watcher = this.#open();
    if (!watcher || limits.some(({ fd }) => fd === undefined)) {
      this.stop();
      return false;
    }
    this.#onMoved = onMoved;
    const levels = limits.map(({ fd, name, least, most, leastMs = 1, everyMs }) => ({
      fd: fd as number,
      name,
      least: least === undefined ? 0n : BigInt(Math.max(0, Math.ceil(least))),
      most: most === undefined ? ANY : BigInt(Math.floor(most)),
      everyMs: Math.max(leastMs, Math.floor(everyMs)),
    }));
    return watcher.watch(levels) === 0;
  }

  stop(): void {
    this.#watcher?.stop();
  }

  /** null: no thread can be started, because the cgroup allows no more tasks. */
  #open(): LevelWatcher | null {
    if (this.#watcher === undefined) {
      try {
        this.#watcher = new (loadNative().LevelWatcher)(() => this.#onMoved());
      } catch {
        this.#watcher = null;
      }
    }
    return this.#watcher;
  }
}
