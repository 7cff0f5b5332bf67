/** Reads logs and keeps the reports that the options select. */

import type { Clock } from '../../../explain/input/stamp.ts';
import { Patterns } from '../../../explain/patterns.ts';
import { type ReadOptions, readJournal, readKmsg, readLog } from '../../../explain/read.ts';
import { TimeLine } from '../../../explain/render/time-line.ts';
import { OomscopeError } from '../../../model/error.ts';
import type { OomOtherKill } from '../../../model/oom-other-kill.ts';
import type { OomReport } from '../../../model/oom-report.ts';
import { tell } from '../../verb/tell.ts';
import { Progress } from './progress.ts';

/** Messages of other programs that are kept for text and pages; JSON has all of them. */
const MOST_OTHERS = 10_000;

export interface CollectorOptions {
  /** Reports from before this time are left out. Milliseconds since 1970. */
  since: number | undefined;
  /** At most this many reports are kept: the last ones. */
  most: number;
  /** Zone and year for time stamps that lack them. */
  clock: Clock;
  /** Copy the lines of each report. */
  lines: boolean;
  /** Called with each report and each message of another program, which are then not kept. */
  onEvent: ((event: OomReport | OomOtherKill) => void) | undefined;
}

export class ReportCollector {
  readonly patterns = new Patterns();
  readonly timeLine = new TimeLine();
  readonly kept: OomReport[] = [];
  /** Why some of the logs could not be read. */
  readonly errors: OomscopeError[] = [];
  found = 0;
  /** How many reports were duplicates: another input, or an earlier part of the same input, already had them. */
  copies = 0;
  /** Log messages of other programs about kills. */
  readonly others: OomOtherKill[] = [];
  /** How many such messages there were. */
  othersFound = 0;
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
      onOther: (kill) => this.#other(kill),
      clock: this.#options.clock,
      lines: this.#options.lines,
    };
    for (const file of files) await this.#attempt(() => readLog(file, reading), signal);
    if (kmsg) await this.#attempt(() => readKmsg(reading), signal);
    if (journal) await this.#attempt(() => readJournal(this.#options.since ?? null, reading), signal);
    return this;
  }

  #take(report: OomReport): void {
    const { most, onEvent } = this.#options;
    if (this.#ids.has(report.id)) {
      this.copies++;
      return;
    }
    this.#ids.add(report.id);
    if (this.#isEarlier(report)) return;
    report.seq = this.found++;
    this.patterns.add(report);
    this.timeLine.add(report);
    if (onEvent) onEvent(report);
    else this.kept.push(report);
    if (this.kept.length > most) this.kept.shift();
  }

  #other(kill: OomOtherKill): void {
    if (this.#ids.has(kill.id)) return;
    this.#ids.add(kill.id);
    if (this.#isEarlier(kill)) return;
    kill.seq = this.othersFound++;
    this.patterns.addOther(kill);
    this.timeLine.add(kill);
    if (this.#options.onEvent) this.#options.onEvent(kill);
    else this.others.push(kill);
    if (this.others.length > MOST_OTHERS) this.others.shift();
  }

  /** True when `since` leaves the event out. */
  #isEarlier({ time, time_source }: OomReport | OomOtherKill): boolean {
    const { since } = this.#options;
    if (since === undefined) return false;
    if (time_source === 'reading') this.undated++;
    return time_source !== 'reading' && Date.parse(time) < since;
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
