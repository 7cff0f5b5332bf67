/** Writes a line about memory, swap and pressure at an interval, so that a log also shows the time before an event. */
import { parseMeminfo } from '../../../linux/meminfo.ts';
import { parsePressure } from '../../../linux/psi.ts';
import { SmallFile } from '../../../linux/small-file.ts';
import { formatBytes } from '../../../text/format.ts';

export class LevelReports implements Disposable {
  readonly #meminfo: SmallFile | undefined;
  readonly #pressure: SmallFile | undefined;
  readonly #timer: NodeJS.Timeout;

  /** @param write takes a line, the first at once */
  constructor(everyMs: number, write: (line: string) => void, proc = '/proc') {
    this.#meminfo = SmallFile.open(`${proc}/meminfo`);
    this.#pressure = SmallFile.open(`${proc}/pressure/memory`);
    const report = () => {
      const line = this.#line();
      if (line !== undefined) write(line);
    };
    report();
    this.#timer = setInterval(report, everyMs).unref();
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    this.#meminfo?.close();
    this.#pressure?.close();
  }

  /** undefined: /proc/meminfo cannot be read. */
  #line(): string | undefined {
    const memory = parseMeminfo(this.#meminfo?.read());
    if (!memory) return undefined;
    const { availableBytes, totalBytes, swapFreeBytes, swapTotalBytes } = memory;
    const parts = [`${formatBytes(availableBytes)} of ${formatBytes(totalBytes)} available`];
    if (swapTotalBytes > 0) parts.push(`${formatBytes(swapFreeBytes)} of ${formatBytes(swapTotalBytes)} swap free`);
    const pressure = parsePressure(this.#pressure?.read());
    if (pressure) parts.push(`pressure some ${pressure.some.avg10} % and full ${pressure.full.avg10} % of 10 s`);
    return `Levels: ${parts.join(', ')}.`;
  }
}
