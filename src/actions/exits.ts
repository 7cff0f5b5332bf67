import { type ExitWatcher, loadNative } from '../native.ts';
import { checked } from './system-call.ts';

/** The ends of processes: one thread waits for all of them. */
export class Exits {
  static #shared: Exits | undefined;
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
  static shared(): Exits {
    Exits.#shared ??= new Exits();
    return Exits.#shared;
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
