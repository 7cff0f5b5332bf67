/**
 * All processes as the OOM killer would weigh them, in one pass: by a BPF task iterator where that may be loaded, else from
 * /proc, which takes some ten times as long and rounds: see `exact`.
 */
import { closeSync, readSync } from 'node:fs';
import { readObject } from '../kernel/attach.ts';
import { missingForTracing } from '../kernel/capabilities.ts';
import { pageBytes } from '../kernel/page-size.ts';
import { type BpfLink, BpfObject, possibleCpus } from '../libbpf/index.ts';
import { TaskFlag, TaskRow } from '../wire/layout.ts';
import { decode, untilNul } from '../wire/text.ts';
import { toTicks } from '../wire/ticks.ts';
import { FileTaskTable } from './task-files.ts';

/** A process. Kernel threads and zombies, which hold no memory, are not listed. */
export interface TaskEntry {
  pid: number;
  ppid: number;
  uid: number;
  comm: string;
  /** Since boot, in clock ticks: field 22 of /proc/PID/stat. */
  startTicks: string;
  threads: number;
  oomScoreAdj: number;
  totalVmBytes: number;
  anonBytes: number;
  fileBytes: number;
  shmemBytes: number;
  swapBytes: number;
  pageTableBytes: number;
  /** Its memory is its parent's until it executes something: the kernel does not choose it. null: /proc does not say. */
  vfork: boolean | null;
  /** The counters were summed over all CPUs. */
  exact: boolean;
  /** RSS and swap by the shared part of the counters alone, which some kernels choose by. null: not known. */
  approximateBytes: number | null;
  /** Of its memory cgroup: the inode of the group's directory. null: not known. */
  cgroupId: string | null;
  /** Path of its memory cgroup, where that is known without looking for it. */
  cgroup: string | null;
}

export interface TaskTable extends Disposable {
  readonly backend: 'iterator' | 'proc';
  /** Why it is that one. */
  readonly reason: string;
  /** One pass. */
  read(): TaskEntry[];
  close(): void;
}

/** @param backend force one, for tests. @throws OomscopeError when it was forced and cannot be had */
export function openTaskTable(backend?: 'iterator' | 'proc'): TaskTable {
  if (backend === 'proc') return new FileTaskTable('/proc', 'it was asked for');
  const missing = missingForTracing();
  if (backend === undefined && missing.length > 0) return new FileTaskTable('/proc', `no ${missing.join(' and ')}`);
  try {
    return new IteratedTaskTable();
  } catch (error) {
    if (backend === 'iterator') throw error;
    return new FileTaskTable('/proc', (error as Error).message);
  }
}

class IteratedTaskTable implements TaskTable {
  readonly backend = 'iterator';
  readonly reason = 'the kernel lists them to a BPF program';
  readonly #object: BpfObject;
  readonly #link: BpfLink;
  readonly #page = pageBytes();
  #buffer = Buffer.alloc(TaskRow.size * 1024);

  constructor() {
    this.#object = BpfObject.open(readObject('tasks.bpf.o'));
    try {
      this.#object.setConstant('possible_cpus', possibleCpus());
      this.#object.load();
      const [program] = this.#object.programs;
      if (!program) throw new RangeError('tasks.bpf.o has no program');
      this.#link = program.attach();
    } catch (error) {
      this.#object.close();
      throw error;
    }
  }

  read(): TaskEntry[] {
    const length = this.#readAll();
    const view = new DataView(this.#buffer.buffer, this.#buffer.byteOffset, length);
    const entries: TaskEntry[] = [];
    const row = new TaskRow(view, 0);
    for (; row.at + TaskRow.size <= length; row.at += TaskRow.size) {
      if (row.flags & TaskFlag.TASK_HAS_MEMORY) entries.push(this.#entry(row));
    }
    return entries;
  }

  close(): void {
    this.#link.destroy();
    this.#object.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #readAll(): number {
    const fd = this.#link.iterate();
    try {
      for (let length = 0; ; ) {
        if (length === this.#buffer.length) this.#buffer = Buffer.concat([this.#buffer], length * 2);
        const read = readSync(fd, this.#buffer, length, this.#buffer.length - length, null);
        if (read === 0) return length;
        length += read;
      }
    } finally {
      closeSync(fd);
    }
  }

  #entry(row: TaskRow): TaskEntry {
    const { flags, rss, rss_approx: approx, cgroup_id } = row;
    // A counter may be below zero for a moment; the kernel takes that for zero, too.
    const bytes = (pages: bigint) => Math.max(0, Number(pages)) * this.#page;
    return {
      pid: row.pid,
      ppid: row.ppid,
      uid: row.uid,
      comm: decode(untilNul(row.comm)).text,
      startTicks: toTicks(row.start_ns),
      threads: row.threads,
      oomScoreAdj: row.oom_score_adj,
      totalVmBytes: Number(row.total_vm_pages) * this.#page,
      anonBytes: bytes(rss.anon),
      fileBytes: bytes(rss.file),
      shmemBytes: bytes(rss.shmem),
      swapBytes: bytes(rss.swap),
      pageTableBytes: Number(row.page_table_bytes),
      vfork: (flags & TaskFlag.TASK_VFORK) !== 0,
      exact: (flags & TaskFlag.TASK_EXACT) !== 0,
      approximateBytes: bytes(approx.anon) + bytes(approx.file) + bytes(approx.shmem) + bytes(approx.swap),
      cgroupId: cgroup_id === 0n ? null : String(cgroup_id),
      cgroup: null,
    };
  }
}
