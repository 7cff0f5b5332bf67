/**
 * Closes what was opened, the last first: the part of DisposableStack that is needed, which Node has only from 24 on.
 *
 *     using opened = new CleanupStack();
 *     this.#file = opened.use(openFile());
 *     this.#ring = opened.use(openRing()); // when this throws, the file is closed
 *     this.#opened = opened.move(); // from here on nothing is closed until this.#opened is
 */
export class CleanupStack implements Disposable {
  #steps: (() => void)[] = [];

  /** Closes the resource with the stack. @returns the resource */
  use<T extends { close(): void }>(resource: T): T {
    this.defer(() => resource.close());
    return resource;
  }

  /** Runs the step with the stack. */
  defer(step: () => void): void {
    this.#steps.push(step);
  }

  /** Hands everything over to another stack and leaves this one empty. */
  move(): CleanupStack {
    const other = new CleanupStack();
    other.#steps = this.#steps.splice(0);
    return other;
  }

  /** Runs every step, even after one that throws. Idempotent. @throws what the last step to throw has thrown */
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
