/**
 * The kernel's own lines about its OOM kills: /dev/kmsg, read from now on. Tests compare the tracer with them.
 * Lines mirror `__oom_kill_process` and `dump_oom_summary` (mm/oom_kill.c), records Documentation/ABI/testing/dev-kmsg.
 */
import { closeSync, constants, openSync, readSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

/**
 * One read returns one record, or EINVAL when it does not fit: PRINTKRB_RECORD_MAX is 1 KiB, and an escape makes 4
 * bytes of 1.
 */
const RECORD_BYTES = 16 * 1024;
const POLL_MS = 5;

/** `… Killed process …`: one for each process that was killed, except processes that only share a victim's memory. */
export interface KilledLine {
  type: 'killed';
  /** The record's number since boot. */
  sequence: number;
  timeUs: number;
  /** "Memory cgroup out of memory", "Out of memory", … */
  reason: string;
  /** The marked thread, which need not be the group leader. */
  pid: number;
  comm: string;
  commBytes: Buffer;
  totalVmKiB: number;
  anonRssKiB: number;
  fileRssKiB: number;
  shmemRssKiB: number;
  uid: number;
  pageTablesKiB: number;
  oomScoreAdj: number;
}

/** `oom-kill:…`: one for each OOM, at most 10 in 5 s. */
export interface OomLine {
  type: 'oom';
  sequence: number;
  timeUs: number;
  /** "CONSTRAINT_MEMCG", "CONSTRAINT_NONE", … */
  constraint: string;
  /** Null when the allocation had none. */
  nodemask: string | null;
  cpuset: string;
  memsAllowed: string;
  /** The cgroup whose limit was hit; null for a global OOM. */
  oomMemcg: string | null;
  /** The victim's cgroup; null without the memory controller. */
  taskMemcg: string | null;
  comm: string;
  commBytes: Buffer;
  pid: number;
  uid: number;
}

/** `… invoked oom-killer: …`: the head of a report, rate-limited as the line above. */
export interface InvokedLine {
  type: 'invoked';
  sequence: number;
  timeUs: number;
  /** Name of the process that triggered the OOM kill. */
  comm: string;
  gfpMask: string;
  gfpNames: string;
  order: number;
}

/** A row of "Tasks state": one process that the kernel chose from. Sizes are in pages, except the page tables. */
export interface TaskLine {
  type: 'task';
  sequence: number;
  timeUs: number;
  pid: number;
  tgid: number;
  uid: number;
  totalVmPages: number;
  rssPages: number;
  pageTableBytes: number;
  swapPages: number;
  oomScoreAdj: number;
  comm: string;
}

export type KernelLogLine = KilledLine | OomLine | InvokedLine | TaskLine;

export interface KernelLogRecord {
  /** 0 for the kernel itself; never 0 for text that a process writes to /dev/kmsg. */
  facility: number;
  level: number;
  sequence: number;
  timeUs: number;
  /** True when the record continues a line that a record of another CPU has interrupted. */
  continuation: boolean;
  /** The text with one byte per character; the escapes of /dev/kmsg are decoded. */
  text: string;
}

export class KernelLog implements Disposable {
  /** All lines read so far, oldest first. */
  readonly lines: KernelLogLine[] = [];
  /** Number of records that were overwritten before they were read. */
  lost = 0;
  readonly #buffer = Buffer.allocUnsafe(RECORD_BYTES);
  #fd: number;
  #nextSequence: number | undefined;
  #unfinished: KernelLogRecord | undefined;

  /** Skips the records that are in the log already, by reading them, since Node has no lseek. Needs CAP_SYSLOG. */
  constructor() {
    this.#fd = openSync('/dev/kmsg', constants.O_RDONLY | constants.O_NONBLOCK);
    while (this.#readRecord() !== undefined);
    this.lost = 0;
  }

  /** Reads the new records. Returns their lines, which are also added to `lines`. */
  read(): KernelLogLine[] {
    const seen = this.lines.length;
    for (let text = this.#readRecord(); text !== undefined; text = this.#readRecord()) this.#add(text);
    return this.lines.slice(seen);
  }

  /** Waits for a line; lines that were read already count. Rejects after `timeoutMs`. */
  async find<Line extends KernelLogLine>(
    predicate: (line: KernelLogLine) => line is Line,
    timeoutMs = 5000,
  ): Promise<Line> {
    const deadline = performance.now() + timeoutMs;
    for (;;) {
      this.read();
      const line = this.lines.find(predicate);
      if (line) return line;
      if (performance.now() > deadline) throw new Error(`expected a line in the kernel log within ${timeoutMs} ms`);
      await sleep(POLL_MS);
    }
  }

  /** Waits for the "Killed process" line of a pid. */
  killed(pid: number, timeoutMs?: number): Promise<KilledLine> {
    return this.find((line): line is KilledLine => line.type === 'killed' && line.pid === pid, timeoutMs);
  }

  /** Waits for the "oom-kill:" line of a pid. */
  oom(pid: number, timeoutMs?: number): Promise<OomLine> {
    return this.find((line): line is OomLine => line.type === 'oom' && line.pid === pid, timeoutMs);
  }

  close(): void {
    if (this.#fd >= 0) closeSync(this.#fd);
    this.#fd = -1;
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** The next record as raw text; undefined when there is none. */
  #readRecord(): string | undefined {
    for (;;) {
      try {
        const length = readSync(this.#fd, this.#buffer);
        const text = this.#buffer.toString('latin1', 0, length);
        const sequence = Number(text.split(',', 2)[1]);
        this.lost += sequence - (this.#nextSequence ?? sequence);
        this.#nextSequence = sequence + 1;
        return text;
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException;
        if (code === 'EAGAIN') return undefined;
        // EPIPE: the record was overwritten. The next read returns the oldest record left, whose number tells how
        // many are gone.
        if (code !== 'EPIPE' && code !== 'EINTR') throw error;
      }
    }
  }

  #add(text: string): void {
    let record = parseKernelLogRecord(text);
    if (record?.facility !== 0) return;
    if (record.continuation && this.#unfinished) {
      record = { ...this.#unfinished, text: this.#unfinished.text + record.text };
    }
    const line = parseKernelLogLine(record);
    if (line) this.lines.push(line);
    // The kernel prints this line in pieces; a record of another CPU may come in between.
    if (line) this.#unfinished = undefined;
    else if (record.text.startsWith('oom-kill:')) this.#unfinished = record;
  }
}

/** Parses one record of /dev/kmsg: `priority,sequence,µs,flags[,…];text`, then lines of properties. */
export function parseKernelLogRecord(record: string): KernelLogRecord | undefined {
  const [, priority, sequence, timeUs, flags, text = ''] =
    /^(\d+),(\d+),(\d+),([^,;]*)[^;]*;([^\n]*)/.exec(record) ?? [];
  if (priority === undefined) return undefined;
  return {
    facility: Number(priority) >> 3,
    level: Number(priority) & 7,
    sequence: Number(sequence),
    timeUs: Number(timeUs),
    continuation: flags === 'c',
    text: text.replace(/\\x([0-9a-f]{2})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 16))),
  };
}

// A comm may hold any byte except NUL, so it ends where the *last* match of the text after it begins.
const KILLED = new RegExp(
  '^(?<reason>.*?): Killed process (?<pid>\\d+) \\((?<comm>.*)\\) total-vm:(?<totalVm>\\d+)kB, ' +
    'anon-rss:(?<anonRss>\\d+)kB, file-rss:(?<fileRss>\\d+)kB, shmem-rss:(?<shmemRss>\\d+)kB, ' +
    'UID:(?<uid>\\d+) pgtables:(?<pageTables>\\d+)kB oom_score_adj:(?<adj>-?\\d+)\\s*$',
  's',
);
const OOM = new RegExp(
  '^oom-kill:constraint=(?<constraint>\\w+),nodemask=(?<nodemask>[^=]*),cpuset=(?<cpuset>.*?),' +
    'mems_allowed=(?<memsAllowed>[\\d,-]*?)(?:,oom_memcg=(?<oomMemcg>.*?)|,global_oom)?' +
    '(?:,task_memcg=(?<taskMemcg>.*?))?,task=(?<comm>.*),pid=(?<pid>\\d+),uid=(?<uid>\\d+)\\s*$',
  's',
);

const INVOKED =
  /^(?<comm>.*) invoked oom-killer: gfp_mask=(?<mask>0x[0-9a-f]+)\((?<names>[^)]*)\), (?:nodemask=.*, )?order=(?<order>-?\d+), /s;
const TASK = /^\[\s*(?<pid>\d+)\](?<numbers>(?:\s+-?\d+){7,}) (?<comm>.*?)\s*$/s;

/** The typed form of a line about an OOM kill; undefined for any other record. */
export function parseKernelLogLine(record: KernelLogRecord): KernelLogLine | undefined {
  const { sequence, timeUs, text } = record;
  const killed = KILLED.exec(text)?.groups;
  if (killed) {
    return {
      type: 'killed',
      sequence,
      timeUs,
      reason: killed.reason ?? '',
      pid: Number(killed.pid),
      ...comm(killed.comm),
      totalVmKiB: Number(killed.totalVm),
      anonRssKiB: Number(killed.anonRss),
      fileRssKiB: Number(killed.fileRss),
      shmemRssKiB: Number(killed.shmemRss),
      uid: Number(killed.uid),
      pageTablesKiB: Number(killed.pageTables),
      oomScoreAdj: Number(killed.adj),
    };
  }
  const invoked = INVOKED.exec(text)?.groups;
  if (invoked) {
    return {
      type: 'invoked',
      sequence,
      timeUs,
      comm: utf8(invoked.comm),
      gfpMask: invoked.mask ?? '',
      gfpNames: invoked.names ?? '',
      order: Number(invoked.order),
    };
  }
  const task = TASK.exec(text)?.groups;
  if (task) {
    // pgtables_bytes, swapents and oom_score_adj are the last three; rss may be followed by its parts (6.8+).
    const numbers = (task.numbers ?? '').trim().split(/\s+/).map(Number);
    const [uid = 0, tgid = 0, totalVmPages = 0, rssPages = 0] = numbers;
    const [pageTableBytes = 0, swapPages = 0, oomScoreAdj = 0] = numbers.slice(-3);
    const pid = Number(task.pid);
    const sizes = { uid, tgid, totalVmPages, rssPages, pageTableBytes, swapPages, oomScoreAdj };
    return { type: 'task', sequence, timeUs, pid, ...sizes, comm: utf8(task.comm) };
  }
  const oom = OOM.exec(text)?.groups;
  if (!oom) return undefined;
  return {
    type: 'oom',
    sequence,
    timeUs,
    constraint: oom.constraint ?? '',
    nodemask: oom.nodemask === '(null)' ? null : (oom.nodemask ?? null),
    cpuset: utf8(oom.cpuset),
    memsAllowed: oom.memsAllowed ?? '',
    oomMemcg: oom.oomMemcg === undefined ? null : utf8(oom.oomMemcg),
    taskMemcg: oom.taskMemcg === undefined ? null : utf8(oom.taskMemcg),
    ...comm(oom.comm),
    pid: Number(oom.pid),
    uid: Number(oom.uid),
  };
}

function comm(text = ''): { comm: string; commBytes: Buffer } {
  return { comm: utf8(text), commBytes: Buffer.from(text, 'latin1') };
}

function utf8(text = ''): string {
  return Buffer.from(text, 'latin1').toString('utf8');
}
