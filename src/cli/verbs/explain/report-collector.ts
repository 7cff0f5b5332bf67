/** Reads logs and keeps the reports that the options select. */

import type { OtherKill } from '../../../explain/input/other-killers.ts';
import type { Clock } from '../../../explain/input/stamp.ts';
import { Patterns } from '../../../explain/patterns.ts';
import { type ReadOptions, readJournal, readKmsg, readLog } from '../../../explain/read.ts';
import { OomscopeError } from '../../../model/error.ts';
import type { OomReport } from '../../../model/oom-report.ts';
import { tell } from '../../verb/tell.ts';
import { Progress } from './progress.ts';

const MOST_OTHERS = 50;

export interface CollectorOptions {
  /** Reports from before this time are left out. Milliseconds since 1970. */
  since: number | undefined;
  /** At most this many reports are kept: the last ones. */
  most: number;
  /** Zone and year for time stamps that lack them. */
  clock: Clock;
  /** Called with each report, which is then not kept. */
  onReport: ((report: OomReport) => void) | undefined;
}

export class ReportCollector {
  readonly patterns = new Patterns();
  readonly kept: OomReport[] = [];
  /** Why some of the logs could not be read. */
  readonly errors: OomscopeError[] = [];
  found = 0;
  /** How many reports were duplicates: another input, or an earlier part of the same input, already had them. */
  copies = 0;
  /** Log messages of other programs about kills that they did. Identical messages are kept once and counted. */
  readonly others = new Map<string, { kill: OtherKill; time: string | null; count: number }>();
  readonly #ids = new Set<string>();
  /** How many reports have no real time, so that `since` could not be applied to them. */
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
      onOther: (kill, time) => this.#other(kill, time),
      clock: this.#options.clock,
    };
    for (const file of files) await this.#attempt(() => readLog(file, reading), signal);
    if (kmsg) await this.#attempt(() => readKmsg(reading), signal);
    if (journal) await this.#attempt(() => readJournal(this.#options.since ?? null, reading), signal);
    return this;
  }

  #take(report: OomReport): void {
    const { since, most, onReport } = this.#options;
    if (this.#ids.has(report.id)) {
      this.copies++;
      return;
    }
    this.#ids.add(report.id);
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

  #other(kill: OtherKill, time: string | null): void {
    const key = `${kill.program} ${kill.words}`;
    const known = this.others.get(key);
    if (known) known.count++;
    else if (this.others.size < MOST_OTHERS) this.others.set(key, { kill, time, count: 1 });
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
