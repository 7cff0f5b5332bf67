import { loadNative } from '../native/addon.ts';
import { collectYoungGarbage } from '../native/garbage.ts';

/** Time after an event until the memory for the next one is mapped (ms). The events of one kill come within it. */
const SOON_MS = 250;
const OBJECT_BYTES = 1024;

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
  /**
   * How many bytes of young objects the events of one kill may need, if that is more than one of V8's pages. They are mapped
   * once, because V8 keeps its young pages.
   */
  reach = 0;
  #timer: NodeJS.Timeout | undefined;

  /** Maps the memory for the next event, after the events of this moment. The timer does not keep the process alive. */
  soon(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.map();
    }, SOON_MS).unref();
  }

  /** Does the same before this thread waits again: after a rehearsal, so that an idle process is not woken for it. */
  next(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    setImmediate(() => this.map()).unref();
  }

  /** Maps the memory for the next event now. */
  map(): void {
    const { mapYoungPages } = loadNative();
    if (this.mayCollect) {
      // V8 has two spaces for young objects, and each collection changes to the other one.
      for (let space = 0; this.reach > 0 && space < 2; space++) this.#fill();
      this.reach = 0;
      collectYoungGarbage();
    }
    mapYoungPages();
  }

  /** Makes objects, which writes to the pages, and drops them. */
  #fill(): void {
    const last: unknown[] = [];
    for (let bytes = 0; bytes < this.reach; bytes += OBJECT_BYTES) last[0] = new Array(OBJECT_BYTES / 8).fill(0);
    collectYoungGarbage();
  }

  close(): void {
    clearTimeout(this.#timer);
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
