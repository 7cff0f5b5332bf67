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
/**
 * How long a report waits for further victims (ms). If memory.oom.group is set, the kernel prints a line for each of them
 * just after the line of the first victim (mm/oom_kill.c: oom_kill_process()).
 */
const GROUP_MS = 50;

interface Open {
  report: KernelReport;
  unfinished: Buffer[];
  /** Set once the report has its last line. */
  timer?: NodeJS.Timeout;
  /** The line that announces the end of a whole cgroup was printed. */
  isGroup: boolean;
}

export class ReportAssembler {
  readonly #open = new Map<number, Open>();
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
    const { view, at } = record;
    const piece = Buffer.from(view.buffer, view.byteOffset + at + LogLineRecord.offset.text, length);
    if (flags & (LogLineFlag.LINE_FIRST | LogLineFlag.LINE_LAST)) this.#endOthers(key);
    const entry = this.#entry(key, flags, piece, () => ({
      printer,
      firstNs: atNs,
      lastNs: atNs,
      lines: [],
      complete: true,
    }));
    const { report, unfinished } = entry;
    report.lastNs = atNs;
    unfinished.push(piece);
    if (flags & (LogLineFlag.LINE_ENDS | LogLineFlag.LINE_LAST) || endsMemcgHeading(unfinished)) {
      const text = Buffer.concat(unfinished.splice(0));
      if (report.lines.length < MOST_LINES) report.lines.push(lineOf(text, formatted));
      else report.complete = false;
    }
    if ((flags & LogLineFlag.LINE_LAST) === 0 && !entry.timer) return;
    clearTimeout(entry.timer);
    // What the kernel has already printed is read before the report ends, also if this process was late.
    entry.timer = setTimeout(() => setImmediate(() => this.#open.get(key) === entry && this.#end(key)), GROUP_MS);
  }

  /** Emits all reports, also those whose last line has not arrived. */
  close(): void {
    for (const key of [...this.#open.keys()]) this.#end(key);
  }

  /** The report to which a line belongs: an open one, or a new one. */
  #entry(key: number, flags: number, piece: Buffer, begin: () => KernelReport): Open {
    const isFirst = (flags & LogLineFlag.LINE_FIRST) !== 0;
    const announcesGroup = isFirst && announces(piece, (flags & LogLineFlag.LINE_FORMATTED) !== 0);
    const open = this.#open.get(key);
    if (open && announcesGroup) open.isGroup = true;
    // Another line of a report that has its last line begins a new one, except in a group.
    if (open && (open.timer ? open.isGroup && (announcesGroup || !isFirst) : !isFirst)) return open;
    this.#end(key);
    const entry: Open = { report: { ...begin(), complete: isFirst }, unfinished: [], isGroup: announcesGroup };
    this.#open.set(key, entry);
    if (this.#open.size > MOST_OPEN) this.#end(this.#open.keys().next().value as number);
    return entry;
  }

  /** Emits the reports of other tasks that have their last line: a task that prints now has got oom_lock from them. */
  #endOthers(key: number): void {
    for (const [other, { timer }] of this.#open) if (other !== key && timer) this.#end(other);
  }

  #end(key: number): void {
    const entry = this.#open.get(key);
    if (!entry) return;
    clearTimeout(entry.timer);
    this.#open.delete(key);
    if (!entry.timer) entry.report.complete = false;
    this.#emit(entry.report);
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

/**
 * Whether this is the beginning of the line "Tasks in PATH are going to be killed due to memory.oom.group set". Since 5.19
 * its first piece ends before the path. The name of a process may begin the line in which it invokes the OOM killer.
 */
function announces(piece: Buffer, formatted: boolean): boolean {
  if (!formatted) return piece.toString('latin1') === 'Tasks in ';
  return /^Tasks in \/.* due to memory\.oom\.group set\n$/s.test(piece.toString('latin1').replace(PREFIX, ''));
}

const PREFIX = /^\[[^\]]*\](?:\[[^\]]*\])? /;

function lineOf(bytes: Buffer, formatted: boolean): string {
  const { text } = decode(formatted && bytes.at(-1) === 0x0a ? bytes.subarray(0, -1) : bytes);
  return printable(formatted ? text.replace(PREFIX, '') : text);
}
