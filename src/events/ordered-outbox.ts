/**
 * Emits items in the order in which their places were taken, although some items are finished later than others.
 */
interface Place<T> {
  /** undefined: not finished. */
  item: T | undefined;
  finish: () => T;
}

export class OrderedOutbox<T extends NonNullable<unknown>> {
  readonly #emit: (item: T) => void;
  readonly #places: Place<T>[] = [];

  constructor(emit: (item: T) => void) {
    this.#emit = emit;
  }

  /** Emits the item: at once, unless an item before it is not finished. */
  push(item: T): void {
    if (this.#places.length === 0) this.#emit(item);
    else this.#places.push({ item, finish: () => item });
  }

  /**
   * Takes the next place for an item that is still under construction.
   *
   * @param finish makes the item; called once, by the function that is returned or by `flush()`
   * @returns a function that finishes the item, which is emitted as soon as all items before it are. Later calls do
   *   nothing. When `finish` throws, so does the function, and the place is given up
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

  /** Finishes and emits everything. */
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
