/**
 * Finds phrases in the bytes of a log. native/phrases.cc has the same search for files, on threads of its own.
 */

const HASH_BITS = 14;

/** The hash of the three bytes that end at `last`. */
const hash = (bytes: Uint8Array, last: number) =>
  Math.imul(
    (bytes[last - 2] as number) | ((bytes[last - 1] as number) << 8) | ((bytes[last] as number) << 16),
    2654435761,
  ) >>>
  (32 - HASH_BITS);

/**
 * Searches for many phrases in one pass: the algorithm of Wu and Manber (1994) with blocks of three bytes. A table says how
 * far the search may move on when the last bytes that a phrase could end its beginning with are these.
 */
export class Phrases {
  readonly #phrases: readonly Uint8Array[];
  readonly #shift = new Uint8Array(1 << HASH_BITS);
  /** 1: a phrase may begin with three bytes of this hash. */
  readonly #begins = new Uint8Array(1 << HASH_BITS);
  readonly #shortest: number;

  /** @param phrases 4 to 255 bytes each */
  constructor(phrases: readonly string[]) {
    this.#phrases = phrases.map((phrase) => new TextEncoder().encode(phrase));
    this.#shortest = Math.min(...this.#phrases.map(({ length }) => length));
    this.#shift.fill(this.#shortest - 2);
    for (const phrase of this.#phrases) {
      this.#begins[hash(phrase, 2)] = 1;
      for (let last = 2; last < this.#shortest; last++) {
        const at = hash(phrase, last);
        this.#shift[at] = Math.min(this.#shift[at] as number, this.#shortest - 1 - last);
      }
    }
  }

  /** @returns the number of the phrase that begins at `at`, or -1 */
  which(bytes: Uint8Array, at: number): number {
    return this.#phrases.findIndex((phrase) => {
      let same = 0;
      while (same < phrase.length && bytes[at + same] === phrase[same]) same++;
      return same === phrase.length;
    });
  }

  /** @returns the position at or after `from` where the first phrase begins, or -1: all of it must be before `to` */
  find(bytes: Uint8Array, from: number, to = bytes.length): number {
    const before = this.#shortest - 1;
    for (let last = from + before; last < to; ) {
      const shift = this.#shift[hash(bytes, last)] as number;
      if (shift > 0) {
        last += shift;
        continue;
      }
      const at = last - before;
      const found = this.#begins[hash(bytes, at + 2)] === 0 ? -1 : this.which(bytes, at);
      if (found >= 0 && at + (this.#phrases[found] as Uint8Array).length <= to) return at;
      last++;
    }
    return -1;
  }
}
