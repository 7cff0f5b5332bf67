/**
 * Lets things through in the order they came, though some have to wait for something.
 */
export class OrderedOutbox<T> {
  readonly #emit: (item: T) => void;
  readonly #line: { item: T; ready: boolean }[] = [];

  constructor(emit: (item: T) => void) {
    this.#emit = emit;
  }

  /** Now, unless something is waiting ahead of it. */
  push(item: T): void {
    if (this.#line.length === 0) this.#emit(item);
    else this.#line.push({ item, ready: true });
  }

  /** Holds a place in the line. The function that comes back lets it go; calling it again does nothing. */
  hold(item: T): () => void {
    const place = { item, ready: false };
    this.#line.push(place);
    return () => {
      place.ready = true;
      this.#advance();
    };
  }

  /** Everything, ready or not. */
  flush(): void {
    for (const { item } of this.#line.splice(0)) this.#emit(item);
  }

  #advance(): void {
    for (let head = this.#line[0]; head?.ready; head = this.#line[0]) {
      this.#line.shift();
      this.#emit(head.item);
    }
  }
}
