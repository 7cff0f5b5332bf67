/** The files of a queue on disk: which items each file has, reading them back, and removing a file after its last item. */
import type { Codec } from './disk-queue-options.ts';
import type { SpoolDirectory, SpoolFile } from './spool-directory.ts';

interface StoredFile extends SpoolFile {
  /** Items that are still in the queue. */
  left: number;
}

/** Where an item is on disk. */
export interface Place {
  file: StoredFile;
  /** Its index in the file. */
  at: number;
}

/** Between the items of a file: the record separator of RFC 7464, which JSON has only as an escape sequence. */
const SEPARATOR = '\x1e';
/** A file gets no further item when it has this size: much larger files are not read. */
const FILE_BYTES = 1024 ** 2;

interface Fresh<T> {
  number: number;
  bytes: number;
  item: T;
}

export class SpoolFiles<T> {
  readonly #directory: SpoolDirectory;
  readonly #codec: Codec<T>;
  readonly #perFile: number;
  readonly #removing = new Set<Promise<void>>();
  /** The file that was read last, because its items are read one after the other. */
  #last: { file: StoredFile; texts: string[] } | undefined;

  /** @param perFile most items in one file */
  constructor(directory: SpoolDirectory, codec: Codec<T>, perFile: number) {
    this.#perFile = perFile;
    this.#directory = directory;
    this.#codec = codec;
  }

  /** The items that an earlier process has left, in order. @param onTrouble called for each file that is put aside */
  list(onTrouble: (message: string) => void): { number: number; bytes: number; place: Place }[] {
    return this.#directory.list(onTrouble).flatMap(({ bytes, ...file }) => {
      const stored = { ...file, left: file.count };
      return Array.from({ length: file.count }, (_, at) => ({
        ...{ number: file.number + at, bytes: bytes / file.count, place: { file: stored, at } },
      }));
    });
  }

  /**
   * Writes items. When the promise resolves, they are on disk.
   *
   * @returns where each item is; undefined: its file could not be written, for the reason `failure`
   * @throws Error of the file system: no item may be on disk
   */
  async write(items: readonly Fresh<T>[]): Promise<{ places: (Place | undefined)[]; failure: unknown }> {
    const groups = this.#groupsOf(items);
    const results = await Promise.allSettled(
      groups.map(async (group) => {
        const [first] = group as [Fresh<T>];
        const file = { number: first.number, count: group.length, left: group.length };
        await this.#directory.write(file, group.map(({ item }) => this.#codec.write(item)).join(SEPARATOR));
        return file;
      }),
    );
    await this.#directory.sync();
    const places = results.flatMap((result, i) =>
      (groups[i] as Fresh<T>[]).map((_, at) =>
        result.status === 'fulfilled' ? { file: result.value, at } : undefined,
      ),
    );
    return { places, failure: results.find((result) => result.status === 'rejected')?.reason };
  }

  /** The items of each file. */
  #groupsOf(items: readonly Fresh<T>[]): Fresh<T>[][] {
    const groups: Fresh<T>[][] = [];
    let bytes = 0;
    for (const item of items) {
      const last = groups.at(-1);
      const fits = last !== undefined && last.length < this.#perFile && bytes < FILE_BYTES;
      if (fits) last.push(item);
      else groups.push([item]);
      bytes = fits ? bytes + item.bytes : item.bytes;
    }
    return groups;
  }

  /** @throws Error that says why the file does not have the item */
  async read({ file, at }: Place): Promise<T> {
    if (this.#last?.file !== file) {
      const text = await this.#directory.read(file);
      const texts = file.count === 1 ? [text] : text.split(SEPARATOR);
      if (texts.length !== file.count) throw new Error(`expected ${file.count} items in it, got ${texts.length}`);
      this.#last = { file, texts };
    }
    return this.#codec.read(this.#last.texts[at] as string);
  }

  /** The item has left the queue: the last one takes the file with it. */
  release({ file }: Place): void {
    if (--file.left > 0) return;
    if (this.#last?.file === file) this.#last = undefined;
    const removed = this.#directory.remove(file);
    this.#removing.add(removed);
    void removed.finally(() => this.#removing.delete(removed));
  }

  /** See SpoolDirectory.putAside(). */
  putAside({ file }: Place, problem: string): string {
    return this.#directory.putAside(file, problem);
  }

  async close(): Promise<void> {
    await Promise.all(this.#removing);
    this.#directory.close();
  }
}
