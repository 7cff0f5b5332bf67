/** Searches a large log file ahead of the parser, on threads of the addon, so that the parser reads only the parts around reports. */
import { readSync } from 'node:fs';
import { loadNative, type Native } from '../native/addon.ts';

/** In a smaller file the search would not save time. */
const LEAST_BYTES = 4 * 1024 * 1024;
const REGION = 8 * 1024 * 1024;
/** The regions that are searched at the same time. */
const AHEAD = 3;
/** native/phrases.cc: kBlockBytes */
const BLOCK = 4096;
const LF = 0x0a;

export class LookAhead {
  readonly #fd: number;
  readonly #bytes: number;
  readonly #phrases: readonly string[];
  readonly #addon: Native;
  readonly #regions = new Map<number, Promise<Uint8Array>>();

  private constructor(fd: number, bytes: number, phrases: readonly string[], addon: Native) {
    this.#fd = fd;
    this.#bytes = bytes;
    this.#phrases = phrases;
    this.#addon = addon;
  }

  /**
   * @param bytes size of the file
   * @returns undefined: the file is small, or this installation has no addon, so that the parser must search by itself
   */
  static begin(fd: number, bytes: number, phrases: readonly string[]): LookAhead | undefined {
    if (bytes < LEAST_BYTES) return undefined;
    try {
      return new LookAhead(fd, bytes, phrases, loadNative());
    } catch {
      return undefined;
    }
  }

  /**
   * @returns where the line with the next phrase begins, or `from` if that is later; and the phrase: the last one of the list
   * if several begin near that place. Without a phrase: the size that the file had at first
   * @throws Error: the file cannot be read
   */
  async next(from: number): Promise<{ line: number; phrase: number }> {
    for (let at = from; at < this.#bytes; ) {
      const region = Math.floor(at / REGION);
      const blocks = await this.#search(region);
      const first = Math.floor((at - region * REGION) / BLOCK);
      const block = blocks.subarray(first).findIndex((found) => found > 0);
      if (block >= 0) {
        const line = this.#lineBefore(from, region * REGION + (first + block) * BLOCK);
        return { line, phrase: (blocks[first + block] as number) - 1 };
      }
      at = (region + 1) * REGION;
    }
    return { line: this.#bytes, phrase: -1 };
  }

  #search(region: number): Promise<Uint8Array> {
    for (const old of this.#regions.keys()) if (old < region) this.#regions.delete(old);
    for (let one = region; one < region + AHEAD && one * REGION < this.#bytes; one++) {
      if (this.#regions.has(one)) continue;
      const length = Math.min(REGION, this.#bytes - one * REGION);
      const search = this.#addon.findPhrases(this.#fd, BigInt(one * REGION), length, this.#phrases);
      search.catch(() => {}); // it is thrown where the region is needed
      this.#regions.set(one, search);
    }
    return this.#regions.get(region) as Promise<Uint8Array>;
  }

  /** The beginning of the line that contains a position, or `from` if the line begins before that. */
  #lineBefore(from: number, position: number): number {
    const piece = Buffer.allocUnsafe(64 * 1024);
    for (let end = position; end > from; ) {
      const begin = Math.max(from, end - piece.length);
      const got = readSync(this.#fd, piece, 0, end - begin, begin);
      const found = piece.subarray(0, got).lastIndexOf(LF);
      if (found >= 0) return begin + found + 1;
      end = begin;
    }
    return from;
  }
}
