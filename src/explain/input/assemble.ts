/**
 * Puts lines together to reports: whatever is between them, also when two reports are mixed, when lines are lost, or when
 * only the kill is left of one.
 */
import { printable } from '../../text/printable.ts';
import { OpenReport } from './open-report.ts';
import { isFaulty, type ParsedLine, readFact } from './parsed-line.ts';
import type { LogLine } from './prefix.ts';

/** Lines of other origin in the middle of a report; and after a kill, until the reaper says that it is done. */
const PATIENCE = 1000;
const PATIENCE_AFTER_KILL = 100;
const MOST_OPEN = 256;
const MOST_WARNINGS = 20;
const MOST_QUOTED = 160;

/** What may begin a report whose head is lost: nothing else in a kernel log looks like it. */
const HEADLESS = new Set<ParsedLine['is']>([
  'invoked',
  'summary',
  'killed',
  'chosen',
  'counter',
  'columns',
  'task',
  'task_in',
  'panic',
]);

export class Assembler {
  readonly #open: OpenReport[] = [];
  readonly #emit: (draft: OpenReport) => void;
  /** Faulty lines that belong to no report. */
  readonly warnings: string[] = [];

  constructor(emit: (draft: OpenReport) => void) {
    this.#emit = emit;
  }

  /** Nothing is begun: lines that do not begin a report need not be shown to it. */
  get idle(): boolean {
    return this.#open.length === 0;
  }

  /** All there may still be is the reaper's word, other victims of a group, or a new report. */
  get waiting(): boolean {
    return this.#open.every(({ waiting }) => waiting);
  }

  feed(line: LogLine): void {
    for (const draft of this.#open) draft.idle++;
    for (const text of pieces(line.text)) this.#take(text, line);
    this.#finish();
  }

  end(): void {
    for (const draft of this.#open.splice(0)) this.#emit(draft);
  }

  #take(text: string, line: LogLine): void {
    const fact = readFact(text);
    if (fact === undefined) {
      if (isFaulty(text)) this.#warn(`not as the kernel writes it: ${quote(text)}`);
      return;
    }
    if (fact.is === 'invoked') {
      this.#begin(fact, line);
      return;
    }
    let best: OpenReport | undefined;
    let most = 0;
    let rivals = 0;
    for (const draft of this.#open) {
      const score = draft.score(fact, line);
      // Of two alike: the one that went on last.
      if (score === 0 || score < most || (score === most && best && draft.idle > best.idle)) {
        if (score > 0 && score === most) rivals++;
        continue;
      }
      rivals = score === most ? rivals + 1 : 0;
      best = draft;
      most = score;
    }
    if (!best) {
      // A table beside an open report is of that one or of another that is open: never the beginning of a third.
      const stray = (fact.is === 'columns' || fact.is === 'task') && !this.waiting;
      if (HEADLESS.has(fact.is) && !stray) this.#begin(fact, line);
      return;
    }
    if (rivals > 0 && fact.is !== 'frame' && fact.is !== 'machine' && fact.is !== 'trace') best.ambiguous++;
    // Two tables that began at the same time look alike, until a summary names somebody in one of them.
    if (fact.is === 'summary' && best.tasks.size > 0 && !best.tasks.has(fact.pid)) {
      const owner = this.#open.find((draft) => !draft.summary && draft.tasks.has(fact.pid));
      if (owner) best.swapTable(owner);
    }
    best.take(fact);
  }

  #begin(fact: ParsedLine, line: LogLine): void {
    const draft = new OpenReport(line);
    draft.take(fact);
    this.#open.push(draft);
    if (this.#open.length > MOST_OPEN) this.#emit(this.#open.shift() as OpenReport);
  }

  /** In the order in which they began. */
  #finish(): void {
    for (;;) {
      const [first] = this.#open;
      if (!first || first.idle < (first.ended ? PATIENCE_AFTER_KILL : PATIENCE)) return;
      this.#open.shift();
      this.#emit(first);
    }
  }

  #warn(sentence: string): void {
    const warnings = this.#open.at(-1)?.warnings ?? this.warnings;
    if (warnings.length < MOST_WARNINGS) warnings.push(sentence);
  }
}

/**
 * One printk can have many lines ("anon 1\nfile 2"), and formats that tell records apart keep them in one. A line feed in a
 * name is another matter: those lines stay whole.
 */
function pieces(text: string): string[] {
  if (
    !text.includes('\n') ||
    /oom-killer|^oom-kill:|ill(?:ed)? process|^\[|^oom_reaper|^Task|Comm: |mems_allowed=/.test(text)
  )
    return [text];
  return text.split('\n');
}

function quote(text: string): string {
  const shown = text.length > MOST_QUOTED ? `${text.slice(0, MOST_QUOTED)}…` : text;
  return `"${printable(shown)}"`;
}
