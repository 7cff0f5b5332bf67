/**
 * Emits items in the order in which they were added, although some items are completed later than others.
 */
interface Place<T> {
  /** undefined: the item is not complete. */
  item: T | undefined;
  finish: () => T;
}

export class OrderedOutbox<T extends NonNullable<unknown>> {
  readonly #emit: (item: T) => void;
  readonly #places: Place<T>[] = [];

  constructor(emit: (item: T) => void) {
    this.#emit = emit;
  }

  /** Adds a complete item. It is emitted at once, or after the incomplete items before it. */
  push(item: T): void {
    if (this.#places.length === 0) this.#emit(item);
    else this.#places.push({ item, finish: () => item });
  }

  /**
   * Reserves the next place for an item that is not complete yet.
   *
   * @param finish creates the item. The returned function or `flush()` calls it once
   * @returns a function that completes the item. The item is emitted after all items before it. Later calls do nothing.
   *   If `finish` throws, the function throws the same error and drops the place
   */
  hold(finish: () => T): () => void {
    const place: Place<T> = { item: undefined, finish };
    this.#places.push(place);
    return () => {
      try {
        place.item ??= finish();
      } catch (error) {
        const at = this.#places.indexOf(place);
        if (at >= 0) this.#places.splice(at, 1);
        throw error;
      } finally {
        this.#advance();
      }
    };
  }

  /** Completes and emits all items. */
  flush(): void {
    for (const place of this.#places.splice(0)) {
      place.item ??= place.finish();
      this.#emit(place.item);
    }
  }

  #advance(): void {
    for (let first = this.#places[0]; first?.item !== undefined; first = this.#places[0]) {
      this.#places.shift();
      this.#emit(first.item);
    }
  }
}
