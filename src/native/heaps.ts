/** The heaps of this process: that of C, and V8's (native/addon.cc, native/young-pages.cc). */
export interface Heaps {
  /** Returns freed heap pages to the kernel (malloc_trim(3)). */
  trimHeap(): boolean;
  /**
   * Lets the kernel map the rest of V8's current page for young objects (256 KiB), so that the next objects cause no page faults.
   *
   * @returns the bytes that are left in that page, or a negative errno: EINVAL before Linux 5.14
   */
  mapYoungPages(): number;
  /** Bytes of the C heap: those that are allocated, and all that the heap has from the kernel (mallinfo2(3)). */
  heapBytes(): { used: number; held: number };
}
