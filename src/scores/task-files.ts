/** The same table from /proc: three files a process, four where its cgroup is asked for. */

import { endOfName, pidsIn, statField } from '../linux/proc-stat.ts';
import { memoryCgroup } from '../linux/process.ts';
import { numberOf, readSmallFile } from '../linux/small-file.ts';
import { decode } from '../text/printable.ts';
import type { TaskEntry, TaskTable } from './task-table.ts';

export class FileTaskTable implements TaskTable {
  readonly backend = 'proc';
  readonly reason: string;
  readonly #proc: string;

  constructor(proc: string, reason: string) {
    this.#proc = proc;
    this.reason = reason;
  }

  read(): TaskEntry[] {
    const entries: TaskEntry[] = [];
    for (const pid of pidsIn(this.#proc)) {
      const entry = readEntry(`${this.#proc}/${pid}`, pid);
      if (entry) entries.push(entry);
    }
    return entries;
  }

  close(): void {}
  [Symbol.dispose](): void {}
}

const KIB = 1024;

/** undefined: it is gone, or holds no memory. */
function readEntry(directory: string, pid: number): TaskEntry | undefined {
  // status has all but the start, which with the pid says who it is.
  const stat = readSmallFile(`${directory}/stat`);
  const close = stat ? endOfName(stat) : -1;
  if (!stat || close < 0) return undefined;
  const startTicks = statField(stat, close, 22);
  const adj = readSmallFile(`${directory}/oom_score_adj`);
  const oomScoreAdj = adj && Number(adj.toString('latin1'));
  const status = readSmallFile(`${directory}/status`);
  if (!status || oomScoreAdj === undefined) return undefined;
  const kib = (name: string) => numberOf(status, name);
  const anon = kib('RssAnon:');
  if (anon === undefined) return undefined; // a kernel thread, or a zombie
  let cgroup: string | null | undefined;
  return {
    pid,
    ppid: kib('PPid:') ?? 0,
    uid: kib('Uid:') ?? 0,
    comm: commOf(status),
    startTicks,
    threads: kib('Threads:') ?? 1,
    oomScoreAdj,
    totalVmBytes: (kib('VmSize:') ?? 0) * KIB,
    anonBytes: anon * KIB,
    fileBytes: (kib('RssFile:') ?? 0) * KIB,
    shmemBytes: (kib('RssShmem:') ?? 0) * KIB,
    swapBytes: (kib('VmSwap:') ?? 0) * KIB,
    pageTableBytes: (kib('VmPTE:') ?? 0) * KIB,
    vfork: null,
    exact: false,
    approximateBytes: null,
    cgroupId: null,
    get cgroup() {
      cgroup ??= groupOf(directory);
      return cgroup;
    },
  };
}

/** Read when it is asked for, which is for few. */
function groupOf(directory: string): string | null {
  const group = readSmallFile(`${directory}/cgroup`);
  return (group && memoryCgroup(group.toString('utf8'))) ?? null;
}

/** fs/proc/array.c escapes what would break the line: \n and backslash. */
function commOf(status: Buffer): string {
  const start = status.indexOf(0x09) + 1;
  const text = decode(status.subarray(start, status.indexOf(0x0a))).text;
  return text.replace(/\\n/g, '\n').replace(/\\\\/g, '\\');
}
