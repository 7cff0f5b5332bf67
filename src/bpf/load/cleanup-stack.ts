/**
 * Closes several resources in the reverse order of opening. It replaces DisposableStack, which Node has since version
 * 24.
 *
 *     using opened = new CleanupStack();
 *     this.#file = opened.use(openFile());
 *     this.#ring = opened.use(openRing()); // when this throws, the file is closed
 *     this.#opened = opened.move(); // from here on the resources stay open until this.#opened is closed
 */
export class CleanupStack implements Disposable {
  #steps: (() => void)[] = [];

  /** Adds a resource, which is closed when the stack is closed. @returns the resource */
  use<T extends { close(): void }>(resource: T): T {
    this.defer(() => resource.close());
    return resource;
  }

  /** Adds a function, which runs when the stack is closed. */
  defer(step: () => void): void {
    this.#steps.push(step);
  }

  /** Moves everything to a new stack and leaves this one empty. @returns the new stack */
  move(): CleanupStack {
    const other = new CleanupStack();
    other.#steps = this.#steps.splice(0);
    return other;
  }

  /** Closes everything, even after an error. Idempotent. @throws the last error, if there was any */
  close(): void {
    const step = this.#steps.pop();
    if (!step) return;
    try {
      step();
    } finally {
      this.close();
    }
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
