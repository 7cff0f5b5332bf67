/** Reads logs and keeps the reports that are asked for. */
import { Patterns } from '../../../explain/patterns.ts';
import { type ReadOptions, readJournal, readKmsg, readLog } from '../../../explain/read.ts';
import { OomscopeError } from '../../../model/error.ts';
import type { OomReport } from '../../../model/oom-report.ts';
import { tell } from '../../verb/tell.ts';
import { Progress } from './progress.ts';

export interface CollectorOptions {
  /** Leave out reports from before this time: milliseconds since 1970. */
  since: number | undefined;
  /** How many reports to keep: the last ones. */
  most: number;
  /** Called with each report, which is then not kept. */
  onReport: ((report: OomReport) => void) | undefined;
}

export class ReportCollector {
  readonly patterns = new Patterns();
  readonly kept: OomReport[] = [];
  /** Why some of the logs could not be read. */
  readonly errors: OomscopeError[] = [];
  found = 0;
  /** Reports without a real time, which `since` could not judge. */
  undated = 0;
  readonly #options: CollectorOptions;

  constructor(options: CollectorOptions) {
    this.#options = options;
  }

  async read(
    files: readonly string[],
    { kmsg, journal }: { kmsg: boolean | undefined; journal: boolean | undefined },
    signal: AbortSignal,
  ): Promise<this> {
    using progress = new Progress(process.stderr);
    const reading: ReadOptions = {
      signal,
      onProgress: progress.show,
      onWarning: tell,
      onReport: (report) => this.#take(report),
    };
    for (const file of files) await this.#attempt(() => readLog(file, reading), signal);
    if (kmsg) await this.#attempt(() => readKmsg(reading), signal);
    if (journal) await this.#attempt(() => readJournal(this.#options.since ?? null, reading), signal);
    return this;
  }

  #take(report: OomReport): void {
    const { since, most, onReport } = this.#options;
    if (since !== undefined) {
      if (report.time_source === 'reading') this.undated++;
      else if (Date.parse(report.time) < since) return;
    }
    report.seq = this.found++;
    this.patterns.add(report);
    if (onReport) onReport(report);
    else this.kept.push(report);
    if (this.kept.length > most) this.kept.shift();
  }

  async #attempt(read: () => unknown, signal: AbortSignal): Promise<void> {
    try {
      await read();
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof OomscopeError)) throw error;
      this.errors.push(error);
    }
  }
}
