/**
 * Joins the printed lines and parts of lines into the kernel's OOM reports. Each report is printed by one task.
 */
import { LogLineFlag, LogLineRecord } from '../bpf/wire/layout.ts';
import { decode, printable } from '../text/printable.ts';

/** The report that one task printed about one OOM. */
export interface KernelReport {
  /** The task that printed the report: the trigger. null on kernels before 5.19, where it is unknown. */
  printer: { tid: number; startNs: bigint } | null;
  /** CLOCK_MONOTONIC when the first and the last line were printed. */
  firstNs: bigint;
  lastNs: bigint;
  /** The lines, without prefix and line feed. A control character in a name is written as an escape such as \x0a. */
  lines: string[];
  /** false: the first line or the line that names the victim is missing, or there were too many lines. */
  complete: boolean;
}

/** A report has a line for each process on the machine. */
const MOST_LINES = 100_000;
/** The kernel prints one report at a time, under oom_lock, but the last line of a report may be lost. */
const MOST_OPEN = 16;

export class ReportAssembler {
  readonly #open = new Map<number, { report: KernelReport; unfinished: Buffer[] }>();
  readonly #emit: (report: KernelReport) => void;

  constructor(emit: (report: KernelReport) => void) {
    this.#emit = emit;
  }

  take(record: LogLineRecord): void {
    const { flags, length } = record;
    const formatted = (flags & LogLineFlag.LINE_FORMATTED) !== 0;
    const printer = formatted ? null : { tid: record.printer_tid, startNs: record.printer_start_ns };
    const key = printer?.tid ?? 0;
    const atNs = record.header.ktime_ns;
    if (flags & LogLineFlag.LINE_FIRST) this.#end(key);
    let entry = this.#open.get(key);
    if (!entry) {
      const complete = (flags & LogLineFlag.LINE_FIRST) !== 0;
      entry = { report: { printer, firstNs: atNs, lastNs: atNs, lines: [], complete }, unfinished: [] };
      this.#open.set(key, entry);
      if (this.#open.size > MOST_OPEN) this.#end(this.#open.keys().next().value as number);
    }
    const { report, unfinished } = entry;
    report.lastNs = atNs;
    const { view, at } = record;
    const piece = Buffer.from(view.buffer, view.byteOffset + at + LogLineRecord.offset.text, length);
    unfinished.push(piece);
    if (flags & (LogLineFlag.LINE_ENDS | LogLineFlag.LINE_LAST) || endsMemcgHeading(unfinished)) {
      const text = Buffer.concat(unfinished.splice(0));
      if (report.lines.length < MOST_LINES) report.lines.push(lineOf(text, formatted));
      else report.complete = false;
    }
    if (flags & LogLineFlag.LINE_LAST) this.#finish(key, report);
  }

  /** Emits the reports whose last line has not arrived. */
  close(): void {
    for (const key of [...this.#open.keys()]) this.#end(key);
  }

  #end(key: number): void {
    const entry = this.#open.get(key);
    if (!entry) return;
    entry.report.complete = false;
    this.#finish(key, entry.report);
  }

  #finish(key: number, report: KernelReport): void {
    this.#open.delete(key);
    this.#emit(report);
  }
}

/**
 * Whether these pieces are the whole line "Memory cgroup stats for PATH:". mem_cgroup_print_oom_meminfo() prints the
 * line in three pieces, without a line feed. The text after it starts a new line because it lacks KERN_CONT, but a
 * record does not show KERN_CONT.
 */
function endsMemcgHeading(pieces: Buffer[]): boolean {
  return pieces.at(-1)?.toString('latin1') === ':' && pieces[0]?.toString('latin1') === 'Memory cgroup stats for ';
}

const PREFIX = /^\[[^\]]*\](?:\[[^\]]*\])? /;

function lineOf(bytes: Buffer, formatted: boolean): string {
  const { text } = decode(formatted && bytes.at(-1) === 0x0a ? bytes.subarray(0, -1) : bytes);
  return printable(formatted ? text.replace(PREFIX, '') : text);
}
