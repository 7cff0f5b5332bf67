/** How a queue on disk (disk-queue.ts) stores its items. */

/** How items become the text of a file, and which word stands for them in messages. */
export interface Codec<T> {
  /** "alert" and "an alert". */
  noun: { one: string; article: string };
  write: (item: T) => string;
  /** About how many bytes write() gives, if that can be said without calling it. */
  size?: (item: T) => number;
  /** For how many things an item stands, for push() and `weight`. Default 1, also for files of an earlier process. */
  weight?: (item: T) => number;
  /** @throws Error that says why the text is not an item */
  read: (text: string) => T;
}

export interface DiskQueueOptions<T> {
  /** A directory for this queue alone. It is created if it is missing. undefined: a queue in memory only. */
  directory: string | undefined;
  codec: Codec<T>;
  /** The limits: number of items, and bytes. The oldest are dropped first. Defaults: 10,000 and 64 MiB. */
  most?: number;
  mostBytes?: number | undefined;
  /** An item is written to disk when it has waited for this time (ms). Default 0. */
  writeAfterMs?: number;
  /**
   * Most items in one file. Default 1. After a crash, items of a file whose other items were not delivered are delivered
   * again, so the receiver must know them by their ids.
   */
  perFile?: number;
  /** The oldest items stay in memory, too, up to this number of bytes, so that they need not be read. Default 0. */
  keptBytes?: number;
  /** Called when a file cannot be written, or when a file is not an item. */
  onTrouble?: ((message: string) => void) | undefined;
}
