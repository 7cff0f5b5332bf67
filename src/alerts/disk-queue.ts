/**
 * A queue on disk: the next process delivers, in order, the items that this process could not deliver. An
 * item is written to a file when it has waited for a time, and the file is removed when its items are delivered.
 *
 * Deliveries do not wait for the disk: an item that is not yet written, or cannot be written, is delivered from memory.
 */
import { printable } from '../text/printable.ts';
import type { Codec, DiskQueueOptions } from './disk-queue-options.ts';
import { SpoolDirectory } from './spool-directory.ts';
import { type Place, SpoolFiles } from './spool-files.ts';

interface Entry<T> {
  number: number;
  bytes: number;
  weight: number;
  /** undefined: it is only on disk. */
  item: T | undefined;
  /** Where the item is on disk. undefined: it is only in memory. */
  place: Place | undefined;
  /** True when the item was delivered or dropped. */
  gone: boolean;
  /** When the item was pushed, by performance.now(). */
  sinceMs: number;
}

export interface Item<T> {
  number: number;
  item: T;
}

const DEFAULT_BYTES = 64 * 1024 ** 2;
/** Number of items that are written between two syncs of the directory. */
const BATCH = 64;

export class DiskQueue<T> {
  readonly #files: SpoolFiles<T> | undefined;
  readonly #codec: Codec<T>;
  readonly #most: number;
  #mostBytes = DEFAULT_BYTES;
  #writeAfterMs: number;
  readonly #keptBytes: number;
  readonly #onTrouble: (message: string) => void;
  /** In the order of their numbers. Entries that are gone stay until they are at the front. */
  #entries: Entry<T>[] = [];
  /** Entries before this index are gone. */
  #first = 0;
  #length = 0;
  #bytes = 0;
  /** Bytes of the items that are in memory and on disk. */
  #kept = 0;
  #weight = 0;
  #next = 1;
  /** The items up to this number are never dropped. */
  #held = -1;
  /** True when the last write failed. Only the first of several failures in a row is reported. */
  #failing = false;
  #unwritten: Entry<T>[] = [];
  #timer: NodeJS.Timeout | undefined;
  #writing: Promise<void> | undefined;
  #closed: Promise<void> | undefined;

  /** @throws OomscopeError USAGE: the directory is not private to this user, or another process uses it */
  constructor(options: DiskQueueOptions<T>) {
    const { directory, codec, most = 10_000, mostBytes, writeAfterMs = 0, perFile = 1, keptBytes = 0 } = options;
    this.#codec = codec;
    this.#files =
      directory === undefined
        ? undefined
        : new SpoolFiles(SpoolDirectory.open(directory, codec.noun.article), codec, perFile);
    this.#most = most;
    this.#writeAfterMs = writeAfterMs;
    this.#keptBytes = keptBytes;
    this.limit(mostBytes);
    this.#onTrouble = options.onTrouble ?? (() => {});
    for (const { number, bytes, place } of this.#files?.list(this.#onTrouble) ?? []) {
      this.#entries.push({ number, bytes, weight: 1, item: undefined, place, gone: false, sinceMs: 0 });
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
    let kept = 0;
    for (const { gone, place } of this.#entries) if (!gone && place) kept++;
    return kept;
  }

  /** Adds an item without blocking. @returns the weight of the oldest that were dropped to stay within the limits */
  push(item: T): number {
    const bytes = this.#codec.size?.(item) ?? Buffer.byteLength(this.#codec.write(item));
    const weight = this.#codec.weight?.(item) ?? 1;
    const entry: Entry<T> = {
      ...{ number: this.#next++, bytes, weight, item, place: undefined, gone: false, sinceMs: performance.now() },
    };
    this.#entries.push(entry);
    this.#length++;
    this.#weight += weight;
    this.#bytes += entry.bytes;
    if (this.#files) {
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

  /**
   * The first waiting item whose number is larger. It stays in the queue until remove() is called. A promise only where
   * the item must be read from disk: items in memory can be sent together, without a turn of the event loop for each.
   */
  after(number: number): Item<T> | undefined | Promise<Item<T> | undefined> {
    let at = this.#indexAfter(number);
    while (this.#entries[at]?.gone) at++;
    const entry = this.#entries[at];
    if (!entry) return undefined;
    const { item, place } = entry;
    if (item !== undefined || !place) return { number: entry.number, item: item as T };
    return this.#read(entry, place);
  }

  async #read(entry: Entry<T>, place: Place): Promise<Item<T> | undefined> {
    try {
      return { number: entry.number, item: await (this.#files as SpoolFiles<T>).read(place) };
    } catch (error) {
      if (!entry.gone) this.#putAside(place, error as Error);
      return this.after(entry.number - 1);
    }
  }

  /** The file was cut off by a power failure, or another program or another version has written it. */
  #putAside(place: Place, { message }: Error): void {
    this.#onTrouble((this.#files as SpoolFiles<T>).putAside(place, message));
    for (const entry of this.#entries.slice(this.#first)) {
      if (entry.place?.file !== place.file || entry.gone) continue;
      if (entry.item === undefined) this.#forget(entry);
      else this.#kept -= entry.bytes;
      entry.place = undefined;
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

  /** @returns false: it was removed before */
  remove(number: number): boolean {
    const entry = this.#entries[this.#indexAfter(number - 1)];
    if (entry?.number !== number || entry.gone) return false;
    this.#remove(entry);
    return true;
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
    this.#unwritten = this.#files ? this.#entries.filter(({ gone, place }) => !gone && !place) : [];
    while (this.#unwritten.length > 0) await this.#writeBatch(this.#unwritten.splice(0, BATCH));
    await this.#files?.close();
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
    this.#forget(entry);
    this.#release(entry);
  }

  #release(entry: Entry<T>): void {
    if (!entry.place) return;
    if (entry.item !== undefined) this.#kept -= entry.bytes;
    this.#files?.release(entry.place);
    entry.item = undefined;
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
    const wanted = entries.filter(({ gone }) => !gone) as (Entry<T> & { item: T })[];
    if (wanted.length === 0) return;
    try {
      const { places, failure } = await (this.#files as SpoolFiles<T>).write(wanted);
      for (const [i, place] of places.entries()) if (place) this.#written(wanted[i] as Entry<T>, place);
      if (failure !== undefined) throw failure;
      this.#failing = false;
    } catch (error) {
      const { message } = error as Error;
      const noun = `${this.#codec.noun.one}s`;
      if (!this.#failing) this.#onTrouble(`spool: ${noun} are held in memory only: ${printable(message)}.`);
      this.#failing = true;
    }
  }

  #written(entry: Entry<T>, place: Place): void {
    entry.place = place;
    this.#kept += entry.bytes;
    if (entry.gone) this.#release(entry);
    else if (this.#kept > this.#keptBytes) {
      this.#kept -= entry.bytes;
      entry.item = undefined;
    }
  }
}
