/**
 * A line that is too long to be kept. If it is JSON, such as the answer of a log server, the records in it are read; otherwise its
 * beginning is.
 */
import { JsonStream } from './input/json-stream.ts';
import type { LogLine } from './input/log-line.ts';
import { Order, PARTED } from './input/order.ts';
import { fromFields, readLine } from './input/prefix.ts';

/** The first characters of an object, or of an array of objects. */
const BEGINS = /^\s*(?:\{\s*["}]|\[\s*[{["\]])/;

export class LongLine {
  readonly #offset: number;
  readonly #utf8 = new TextDecoder('utf-8', { ignoreBOM: true });
  /** The answers of log servers have the newest record first. */
  readonly #order: Order;
  readonly #json: JsonStream | undefined;

  /**
   * @param offset position of the line in the log
   * @param begin at least 1 KiB of the line; the rest goes to `push()`
   * @param emit called for the records, in the order of their times
   */
  constructor(offset: number, begin: Uint8Array, emit: (line: LogLine) => void) {
    this.#offset = offset;
    this.#order = new Order(emit);
    const text = this.#utf8.decode(begin, { stream: true });
    if (BEGINS.test(text.slice(0, 1024))) {
      this.#json = new JsonStream((record) => {
        const line = fromFields(record, this.#offset);
        if (line) this.#order.push(line);
      });
      this.#json.push(text);
      return;
    }
    const line = readLine(text, offset);
    if (line) emit(line);
  }

  push(bytes: Uint8Array): void {
    this.#json?.push(this.#utf8.decode(bytes, { stream: true }));
  }

  /** @param whole false: the log ends within the line @returns what was not read of the JSON, as a sentence */
  end(whole: boolean): string | undefined {
    if (!this.#json) return undefined;
    this.#order.flush();
    const place = `the long line of JSON at byte ${this.#offset}`;
    if (this.#json.complete)
      return this.#order.parted ? `${place} has its newest record first and is very long: ${PARTED}` : undefined;
    const why = this.#json.failed || whole ? 'is not valid JSON, or is nested too deeply' : 'ends in the middle';
    return `${place} ${why}; only the records before that place were read`;
  }
}
