/** Turns a log round that has its newest line first, as `journalctl -r` and log servers write it. */
import type { LogLine } from './log-line.ts';
import { readTime } from './stamp.ts';

/** The direction is decided after this many steps from one time to another … */
const STEPS = 16;
/** … or after this many lines. */
const MOST_UNDECIDED = 2000;
/** A log is turned round when it has more than this many steps back in time for each step forward. */
const MOSTLY = 4;
/** When more characters are held, the lines so far are turned round: where no report is near … */
const MOST_HELD = 4 * 1024 * 1024;
const NO_REPORT_LINES = 1000;
/** … or, from this many on, also within a report. */
const TOO_MANY_HELD = 4 * MOST_HELD;

export const PARTED = 'a report may have been read as two';

export class Order {
  readonly #emit: (line: LogLine) => void;
  #held: LogLine[] = [];
  #direction: 'forward' | 'backward' | undefined;
  #last: LogLine | undefined;
  #part = -1;
  /** Steps back in time, and all steps back. */
  #backInTime = 0;
  #back = 0;
  #forward = 0;
  /** Characters of the lines that are held. */
  #length = 0;
  /** Lines since the last one that is surely of a report. */
  #sinceReport = 0;
  /** True when lines were turned round within a report, because the log is too long: the report may be in two parts. */
  parted = false;

  constructor(emit: (line: LogLine) => void) {
    this.#emit = emit;
  }

  /** True when many lines are held. */
  get isFull(): boolean {
    return this.#length > MOST_HELD;
  }

  /** True when the log has its newest line first: no line is passed on before `flush()`. */
  get backward(): boolean {
    return this.#direction === 'backward';
  }

  push(line: LogLine): void {
    if (this.#direction === 'forward') {
      this.#emit(line);
      return;
    }
    this.#held.push(line);
    this.#length += line.text.length;
    const part = PARTS.findIndex((phrase) => line.text.includes(phrase));
    this.#sinceReport = part < 0 ? this.#sinceReport + 1 : 0;
    if (this.#direction === 'backward') {
      if (this.#length > TOO_MANY_HELD) this.parted = true;
      if (this.#length > TOO_MANY_HELD || (this.isFull && this.#sinceReport >= NO_REPORT_LINES)) this.flush();
      return;
    }
    this.#compare(line, part);
    if (this.#back + this.#forward >= STEPS || this.#held.length >= MOST_UNDECIDED) this.decide();
  }

  /** Decides the direction by the lines so far. */
  decide(): void {
    if (this.#direction !== undefined) return;
    this.#direction = this.#backInTime > 0 && this.#back > this.#forward * MOSTLY ? 'backward' : 'forward';
    if (this.#direction === 'forward') this.#pass(this.#held);
  }

  /** Passes on the lines that are held, in the order of their times. */
  flush(): void {
    this.decide();
    this.#pass(this.#held.reverse());
  }

  #pass(lines: readonly LogLine[]): void {
    this.#held = [];
    this.#length = 0;
    for (const line of lines) this.#emit(line);
  }

  #compare(line: LogLine, part: number): void {
    const step = this.#last ? stepBetween(this.#last, line) : 0;
    this.#count(step);
    if (step < 0) this.#backInTime++;
    if (line.sinceBootUs !== null || line.stamp !== null) this.#last = line;
    // A list of incidents may have the newest first, with the lines of each report in the order of the kernel.
    if (part < 0) return;
    this.#count(this.#part < 0 ? 0 : part - this.#part);
    this.#part = part;
  }

  #count(step: number): void {
    if (step < 0) this.#back++;
    else if (step > 0) this.#forward++;
  }
}

/** Phrases of the parts of a report, in the order in which the kernel prints them. */
const PARTS = [
  'invoked oom-killer',
  'Call Trace:',
  'Mem-Info:',
  'oom_score_adj name',
  'oom-kill:constraint',
  'illed process ',
  'oom_reaper: reaped',
];

/** The time from one line to the next, positive or negative. 0: not known, or the lines are of two hosts. */
function stepBetween(from: LogLine, to: LogLine): number {
  if (from.host !== to.host) return 0;
  if (from.sinceBootUs !== null && to.sinceBootUs !== null) return to.sinceBootUs - from.sinceBootUs;
  const [before, after] = [readTime(from), readTime(to)];
  return before === null || after === null ? 0 : after - before;
}
