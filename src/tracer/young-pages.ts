import { loadNative } from '../native/addon.ts';
import { collectYoungGarbage } from '../native/garbage.ts';

/** Time after an event until the memory for the next one is mapped (ms). The events of one kill come within it. */
const SOON_MS = 250;

/**
 * Keeps the memory mapped in which V8 makes the objects of the next event. Otherwise an event of a kill writes to some 15
 * pages for the first time, and each time the kernel must find a page: 2 to 40 µs, on a virtual machine up to 0.4 ms.
 */
export class YoungPages implements Disposable {
  /**
   * Whether this may collect young garbage of the whole process, so that the next events use few pages, and V8 collects no
   * garbage while it handles a kill. A library leaves that to its user.
   */
  mayCollect = false;
  #timer: NodeJS.Timeout | undefined;

  /** Maps the memory for the next event, after the events of this moment. The timer does not keep the process alive. */
  soon(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.map();
    }, SOON_MS).unref();
  }

  /** Maps the memory for the next event now. */
  map(): void {
    const { mapYoungPages } = loadNative();
    if (this.mayCollect) collectYoungGarbage();
    mapYoungPages();
  }

  close(): void {
    clearTimeout(this.#timer);
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
