import { type ExitWatcher, loadNative } from '../native/addon.ts';
import { checked } from '../native/system-call.ts';

/** Reports when processes exit. One thread of the addon waits for all of them. */
export class ExitRegistry {
  static #shared: ExitRegistry | undefined;
  readonly #waiting = new Map<number, (monoNs: bigint) => void>();
  readonly #watcher: ExitWatcher;

  private constructor() {
    this.#watcher = new (loadNative().ExitWatcher)((token, monoNs) => {
      const tell = this.#waiting.get(token);
      this.#waiting.delete(token);
      tell?.(monoNs);
    });
  }

  /** The registry of this JavaScript thread, which the first call creates. */
  static shared(): ExitRegistry {
    ExitRegistry.#shared ??= new ExitRegistry();
    return ExitRegistry.#shared;
  }

  /**
   * @param tell called once, with the time of the exit in nanoseconds of CLOCK_MONOTONIC
   * @returns a function that stops the waiting; `tell` is not called afterwards
   * @throws OomscopeError SYSTEM_CALL
   */
  watch(pidfd: number, tell: (monoNs: bigint) => void): () => void {
    const token = checked(this.#watcher.watch(pidfd), 'epoll_ctl', 'waiting for a process to exit');
    this.#waiting.set(token, tell);
    return () => {
      if (this.#waiting.delete(token)) this.#watcher.unwatch(token);
    };
  }
}
