import { closeSync, readSync } from 'node:fs';
import { type BpfLink, type BpfObject, possibleCpus } from '../bpf/libbpf/index.ts';
import { openObject } from '../bpf/load/attach.ts';
import { TaskFlag, TaskRow } from '../bpf/wire/layout.ts';
import { toTicks } from '../bpf/wire/ticks.ts';
import { pageBytes } from '../linux/page-size.ts';
import { decode, untilNul } from '../text/printable.ts';
import type { ScoredProcess, TaskTable } from './task-table.ts';

/** Reads the processes with a BPF task iterator: one pass over the kernel's task list, with exact per-CPU counters. */
export class IteratedTaskTable implements TaskTable {
  readonly backend = 'iterator';
  readonly reason = 'the kernel lists the processes to a BPF program';
  readonly #object: BpfObject;
  readonly #link: BpfLink;
  readonly #page = pageBytes();
  #buffer = Buffer.alloc(TaskRow.size * 1024);

  constructor() {
    this.#object = openObject('tasks.bpf.o');
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

  read(): ScoredProcess[] {
    const length = this.#readAll();
    const view = new DataView(this.#buffer.buffer, this.#buffer.byteOffset, length);
    const entries: ScoredProcess[] = [];
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

  #entry(row: TaskRow): ScoredProcess {
    const { flags, rss, rss_approx: approx, cgroup_id } = row;
    // A per-CPU counter may be negative for a moment. The kernel then uses zero, too.
    const bytes = (pages: bigint) => Math.max(0, Number(pages)) * this.#page;
    const [anonBytes, fileBytes, shmemBytes] = [bytes(rss.anon), bytes(rss.file), bytes(rss.shmem)];
    return {
      pid: row.pid,
      ppid: row.ppid,
      uid: row.uid,
      comm: decode(untilNul(row.comm)).text,
      startTicks: toTicks(row.start_ns),
      threads: row.threads,
      oomScoreAdj: row.oom_score_adj,
      totalVmBytes: Number(row.total_vm_pages) * this.#page,
      rssBytes: anonBytes + fileBytes + shmemBytes,
      anonBytes,
      fileBytes,
      shmemBytes,
      swapBytes: bytes(rss.swap),
      pageTablesBytes: Number(row.page_table_bytes),
      vfork: (flags & TaskFlag.TASK_VFORK) !== 0,
      exact: (flags & TaskFlag.TASK_EXACT) !== 0,
      approximateBytes: bytes(approx.anon) + bytes(approx.file) + bytes(approx.shmem) + bytes(approx.swap),
      cgroupId: cgroup_id === 0n ? null : String(cgroup_id),
      cgroup: null,
    };
  }
}
