/**
 * A queue on disk: the next process delivers, in order, the items that this process could not deliver. The file of an
 * item is written when the item has waited for a time, and removed when the item is delivered.
 *
 * Deliveries do not wait for the disk: an item that is not yet written, or cannot be written, is delivered from memory.
 */
import { printable } from '../text/printable.ts';
import { SpoolDirectory } from './spool-directory.ts';

interface Entry<T> {
  number: number;
  bytes: number;
  weight: number;
  /** The item until it is on disk; then undefined. */
  item: T | undefined;
  /** True when the item was delivered or dropped. */
  gone: boolean;
  /** When the item was pushed, by performance.now(). */
  sinceMs: number;
}

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
  /** Called when a file cannot be written, or when a file is not an item. */
  onTrouble?: ((message: string) => void) | undefined;
}

export interface Item<T> {
  number: number;
  item: T;
}

const DEFAULT_BYTES = 64 * 1024 ** 2;
/** Number of files that are written between two syncs of the directory. */
const BATCH = 64;

export class DiskQueue<T> {
  readonly #directory: SpoolDirectory | undefined;
  readonly #codec: Codec<T>;
  readonly #most: number;
  #mostBytes = DEFAULT_BYTES;
  #writeAfterMs: number;
  readonly #onTrouble: (message: string) => void;
  /** In the order of their numbers. Entries that are gone stay until they are at the front. */
  #entries: Entry<T>[] = [];
  /** Entries before this index are gone. */
  #first = 0;
  #length = 0;
  #bytes = 0;
  #weight = 0;
  #next = 1;
  /** The items up to this number are never dropped. */
  #held = -1;
  /** True when the last write failed. Only the first of several failures in a row is reported. */
  #failing = false;
  #unwritten: Entry<T>[] = [];
  #timer: NodeJS.Timeout | undefined;
  #writing: Promise<void> | undefined;
  readonly #removing = new Set<Promise<void>>();
  #closed: Promise<void> | undefined;

  /** @throws OomscopeError USAGE: the directory is not private to this user, or another process uses it */
  constructor({ directory, codec, most = 10_000, mostBytes, writeAfterMs = 0, onTrouble }: DiskQueueOptions<T>) {
    this.#codec = codec;
    this.#directory = directory === undefined ? undefined : SpoolDirectory.open(directory, codec.noun.article);
    this.#most = most;
    this.#writeAfterMs = writeAfterMs;
    this.limit(mostBytes);
    this.#onTrouble = onTrouble ?? (() => {});
    for (const { number, bytes } of this.#directory?.list(this.#onTrouble) ?? []) {
      this.#entries.push({ number, bytes, weight: 1, item: undefined, gone: false, sinceMs: 0 });
      this.#length++;
      this.#weight++;
      this.#bytes += bytes;
      this.#next = number + 1;
    }
  }

  /** Number of waiting items. */
  get length(): number {
    return this.#length;
  }

  /** For how many things the waiting items stand (`weight` of the codec). */
  get weight(): number {
    return this.#weight;
  }

  /** The number of the last item; 0: there was none. */
  get last(): number {
    return this.#next - 1;
  }

  /** Number of waiting items that survive this process. */
  get kept(): number {
    if (!this.#directory) return 0;
    let kept = 0;
    for (const { gone, item } of this.#entries) if (!gone && item === undefined) kept++;
    return kept;
  }

  /** Adds an item without blocking. @returns the weight of the oldest that were dropped to stay within the limits */
  push(item: T): number {
    const bytes = this.#codec.size?.(item) ?? Buffer.byteLength(this.#codec.write(item));
    const weight = this.#codec.weight?.(item) ?? 1;
    const entry: Entry<T> = { number: this.#next++, bytes, weight, item, gone: false, sinceMs: performance.now() };
    this.#entries.push(entry);
    this.#length++;
    this.#weight += weight;
    this.#bytes += entry.bytes;
    if (this.#directory) {
      this.#unwritten.push(entry);
      this.#schedule();
    }
    let dropped = 0;
    for (let at = this.#first; this.#length > this.#most || this.#bytes > this.#mostBytes; at++) {
      const oldest = this.#entries[at];
      if (!oldest || oldest === entry) break;
      if (oldest.gone || oldest.number <= this.#held) continue;
      this.#remove(oldest);
      dropped += oldest.weight;
    }
    return dropped;
  }

  /** The first waiting item whose number is larger. It stays in the queue until remove() is called. */
  async after(number: number): Promise<Item<T> | undefined> {
    for (let at = this.#indexAfter(number); ; at = this.#indexAfter(number)) {
      while (this.#entries[at]?.gone) at++;
      const entry = this.#entries[at];
      if (!entry) return undefined;
      const { item } = entry;
      if (item !== undefined) return { number: entry.number, item };
      try {
        const text = (await this.#directory?.read(entry.number)) ?? '';
        return { number: entry.number, item: this.#codec.read(text) };
      } catch (error) {
        if (entry.gone) continue;
        // The file was cut off by a power failure, or another program or another version has written it.
        if (this.#directory) this.#onTrouble(this.#directory.putAside(entry.number, (error as Error).message));
        this.#forget(entry);
      }
    }
  }

  /** The oldest items, at most `most`. They are not dropped until remove() is called with their numbers. */
  async heads(most: number): Promise<Item<T>[]> {
    const heads: Item<T>[] = [];
    this.#held = this.#entries[this.#first]?.number ?? -1;
    for (let last = -1; heads.length < most; last = this.#held) {
      const found = await this.after(last);
      if (!found) break;
      heads.push(found);
      this.#held = found.number;
    }
    return heads;
  }

  remove(number: number): void {
    const entry = this.#entries[this.#indexAfter(number - 1)];
    if (entry?.number === number && !entry.gone) this.#remove(entry);
  }

  /** Changes the limit in bytes; undefined restores the default. The next push() drops items if it is exceeded. */
  limit(mostBytes = DEFAULT_BYTES): void {
    this.#mostBytes = mostBytes;
  }

  /** Changes how long an item waits before it is written (ms). */
  set writeAfterMs(ms: number) {
    this.#writeAfterMs = ms;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#schedule();
  }

  /** Tries again to write the items that could not be written, and closes the directory. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    clearTimeout(this.#timer);
    await this.#writing;
    this.#unwritten = this.#directory ? this.#entries.filter(({ gone, item }) => !gone && item !== undefined) : [];
    while (this.#unwritten.length > 0) await this.#writeBatch(this.#unwritten.splice(0, BATCH));
    await Promise.all(this.#removing);
    this.#directory?.close();
  }

  #indexAfter(number: number): number {
    let low = this.#first;
    let high = this.#entries.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#entries[middle] as Entry<T>).number > number) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  #remove(entry: Entry<T>): void {
    const isOnDisk = entry.item === undefined;
    this.#forget(entry);
    if (isOnDisk) this.#unlink(entry);
  }

  #unlink({ number }: Entry<T>): void {
    const removed = (this.#directory as SpoolDirectory).remove(number);
    this.#removing.add(removed);
    void removed.finally(() => this.#removing.delete(removed));
  }

  #forget(entry: Entry<T>): void {
    entry.gone = true;
    this.#length--;
    this.#bytes -= entry.bytes;
    this.#weight -= entry.weight;
    while (this.#entries[this.#first]?.gone) this.#first++;
    if (this.#first < 1024 || this.#first * 2 < this.#entries.length) return;
    this.#entries = this.#entries.slice(this.#first);
    this.#first = 0;
  }

  #schedule(): void {
    if (this.#writing || this.#timer || this.#closed) return;
    const [oldest] = this.#unwritten;
    if (!oldest) return;
    const inMs = oldest.sinceMs + this.#writeAfterMs - performance.now();
    if (inMs <= 0) {
      this.#writing = this.#write().finally(() => {
        this.#writing = undefined;
        this.#schedule();
      });
      return;
    }
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#schedule();
    }, inMs);
  }

  async #write(): Promise<void> {
    const latest = performance.now() - this.#writeAfterMs;
    const due = this.#unwritten.findIndex(({ sinceMs }) => sinceMs > latest);
    const all = this.#unwritten.splice(0, due < 0 ? this.#unwritten.length : due).filter(({ gone }) => !gone);
    while (all.length > 0) await this.#writeBatch(all.splice(0, BATCH));
  }

  async #writeBatch(entries: Entry<T>[]): Promise<void> {
    const directory = this.#directory as SpoolDirectory;
    const wanted = entries.filter(({ gone }) => !gone);
    if (wanted.length === 0) return;
    try {
      const results = await Promise.allSettled(
        wanted.map((entry) => directory.write(entry.number, this.#codec.write(entry.item as T))),
      );
      await directory.sync();
      for (const [i, { status }] of results.entries()) {
        const entry = wanted[i] as Entry<T>;
        if (status === 'rejected') continue;
        entry.item = undefined;
        if (entry.gone) this.#unlink(entry);
      }
      const failed = results.find((result) => result.status === 'rejected');
      if (failed) throw failed.reason;
      this.#failing = false;
    } catch (error) {
      const { message } = error as Error;
      const noun = `${this.#codec.noun.one}s`;
      if (!this.#failing) this.#onTrouble(`spool: ${noun} are held in memory only: ${printable(message)}.`);
      this.#failing = true;
    }
  }
}
