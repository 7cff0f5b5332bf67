/**
 * Emits the kernel's own report of each OOM as an event, with the id of the kill. A report belongs to a kill if the
 * same task (the trigger) printed it at the same time. This module is loaded only when it is needed, because the
 * parser is large.
 */

import type { Batch } from '../bpf/wire/batch.ts';
import { toTicks } from '../bpf/wire/ticks.ts';
import type { EnvelopeFactory } from '../events/envelope.ts';
import { realtimeOffsetNs } from '../events/envelope.ts';
import { LossCounter } from '../events/loss-counter.ts';
import { Assembler } from '../explain/input/assemble.ts';
import type { OpenReport } from '../explain/input/open-report.ts';
import { toReport } from '../explain/report.ts';
import type { Event, OomKill } from '../model/events.ts';
import type { OomReport } from '../model/oom-report.ts';
import { type KernelReport, ReportAssembler } from './report-assembler.ts';
import { rehearsedReport } from './report-rehearsal.ts';
import { ReportStream, takeLines } from './report-stream.ts';
import { UnkilledReports } from './unkilled-reports.ts';

export interface ReportMatcherOptions {
  backend: 'tp_btf' | 'raw_tp';
  envelopes: EnvelopeFactory;
  push: (event: Event) => void;
  onError: (error: unknown) => void;
}

/** How long a report waits for its kill. The kernel prints the report's last line just after it marks the victim. */
const PATIENCE_MS = 500;
/** How many kills are remembered whose report may still arrive. The kernel prints at most ten reports in 5 s. */
const REMEMBERED = 64;

export class ReportMatcher {
  readonly #options: ReportMatcherOptions;
  readonly #reports: ReportStream;
  readonly #losses: LossCounter;
  readonly #kills: OomKill[] = [];
  readonly #unkilled = new UnkilledReports();
  readonly #waiting = new Map<KernelReport, NodeJS.Timeout>();
  #rehearsed: Batch | undefined;

  /** @throws OomscopeError OBJECT_MISSING, LIBBPF, NOT_PERMITTED */
  constructor(options: ReportMatcherOptions) {
    this.#options = options;
    this.#losses = new LossCounter(options.envelopes);
    const { backend, onError } = options;
    this.#reports = new ReportStream({ backend, onError, onReport: (report) => this.#onReport(report) });
  }

  /** The tracer calls this with every kill. */
  onKill(kill: OomKill): void {
    this.#kills.push(kill);
    if (this.#kills.length > REMEMBERED) this.#kills.shift();
    for (const report of [...this.#waiting.keys()]) if (belongs(report, kill)) this.#emit(report, kill);
  }

  /** Reads an invented report as a real one, and drops it, so that the first real one finds its code compiled and mapped. */
  rehearse(): void {
    this.#rehearsed ??= rehearsedReport();
    const assembler = new ReportAssembler((report) => {
      for (const draft of draftsOf(report)) toReport(draft, { input: 'printk:console' }, 0);
    });
    takeLines(this.#rehearsed, assembler);
    assembler.close();
  }

  close(): void {
    this.#reports.close();
    for (const report of [...this.#waiting.keys()]) this.#emit(report, undefined);
  }

  #onReport(report: KernelReport): void {
    for (const lost of this.#losses.take(this.#reports.counters())) this.#options.push(lost);
    const kill = this.#kills.findLast((each) => belongs(report, each));
    if (kill) this.#emit(report, kill);
    else
      this.#waiting.set(
        report,
        setTimeout(() => this.#emit(report, undefined), PATIENCE_MS),
      );
  }

  #emit(report: KernelReport, kill: OomKill | undefined): void {
    clearTimeout(this.#waiting.get(report));
    this.#waiting.delete(report);
    if (!kill && this.#unkilled.isRepeated(report.lines, report.firstNs)) return;
    const { envelopes, push } = this.#options;
    for (const draft of draftsOf(report)) {
      const parsed = toReport(draft, { input: 'printk:console' }, 0);
      push({
        ...parsed,
        ...envelopes.next(report.firstNs, realtimeOffsetNs(), 'critical', 'bpf:printk/console', parsed.message),
        time_source: 'live',
        time_text: null,
        since_boot_seconds: null,
        kill_id: kill?.id ?? null,
        lines: report.lines,
      } satisfies OomReport);
    }
  }
}

/** The line that names a victim. The kernel's own words come first, so no name of a process can look like it. */
const KILLED = /^(?:(?:Memory cgroup o|O)ut of memory[^:]*: )?Killed process (\d+) \(/;

/**
 * Whether a report belongs to a kill: the kernel marks the victim after the report's first line and before its last. The
 * report of a whole cgroup (memory.oom.group) belongs to the process that the kernel chose, which it names first.
 */
function belongs({ printer, firstNs, lastNs, lines }: KernelReport, { trigger, victim, mono_ns }: OomKill): boolean {
  const markNs = BigInt(mono_ns);
  const named = lines.map((line) => KILLED.exec(line)?.[1]);
  // A report without a head begins with the line that names the victim, which is printed shortly after the mark.
  const earliest = named[0] === undefined ? firstNs : firstNs - 1_000_000_000n;
  if (markNs < earliest || markNs > lastNs) return false;
  const chosen = named.find((pid) => pid !== undefined);
  if (printer === null) return chosen === String(victim.tid);
  if (chosen !== undefined && chosen !== String(victim.tid)) return false;
  return printer.tid === trigger.tid && toTicks(printer.startNs) === trigger.start_ticks;
}

function draftsOf({ lines }: KernelReport): OpenReport[] {
  const drafts: OpenReport[] = [];
  const assembler = new Assembler((draft) => drafts.push(draft));
  const unknown = { host: null, caller: null, sinceBootUs: null, stamp: null, bootId: null };
  for (const text of lines) assembler.feed({ ...unknown, text, offset: 0 });
  assembler.end();
  return drafts;
}
