import { formatBytes } from '../../../text/format.ts';

/** Shows the progress of reading, such as "read 1.2 GiB, 34 %", in one line that is overwritten. Only on a terminal. */
export class Progress implements Disposable {
  readonly #stream: NodeJS.WriteStream;
  #shown = false;

  constructor(stream: NodeJS.WriteStream) {
    this.#stream = stream;
  }

  readonly show = (bytes: number, total: number | null): void => {
    if (!this.#stream.isTTY) return;
    const part = total ? `, ${Math.min(100, Math.round((bytes / total) * 100))} %` : '';
    this.#stream.write(`\r\x1b[Koomscope: read ${formatBytes(bytes)}${part}`);
    this.#shown = true;
  };

  [Symbol.dispose](): void {
    if (this.#shown) this.#stream.write('\r\x1b[K');
  }
}
