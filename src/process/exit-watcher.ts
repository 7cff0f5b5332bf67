import { type ExitWatcher, loadNative } from '../native/addon.ts';
import { checked } from '../native/system-call.ts';

/** The ends of processes: one thread waits for all of them. */
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

  /** This thread's. */
  static shared(): ExitRegistry {
    ExitRegistry.#shared ??= new ExitRegistry();
    return ExitRegistry.#shared;
  }

  /**
   * @param tell called once, with CLOCK_MONOTONIC. @returns gives it up
   * @throws OomscopeError SYSTEM_CALL
   */
  watch(pidfd: number, tell: (monoNs: bigint) => void): () => void {
    const token = checked(this.#watcher.watch(pidfd), 'epoll_ctl', 'waiting for the end of a process');
    this.#waiting.set(token, tell);
    return () => {
      if (this.#waiting.delete(token)) this.#watcher.unwatch(token);
    };
  }
}
