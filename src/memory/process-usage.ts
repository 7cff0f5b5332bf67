/**
 * The memory of all processes, from /proc: a pass costs some 20 µs for each process that is read, and reads at most a
 * fixed number of them: where there are more they take turns, the large ones more often.
 */

import { pageBytes } from '../linux/page-size.ts';
import { endOfName, nameIn, PF_KTHREAD, pidsIn, statField } from '../linux/proc-stat.ts';
import { memoryCgroup } from '../linux/process.ts';
import { numberOf, readSmallFile } from '../linux/small-file.ts';

/** A process as it was when it was last read. Together `pid` and `startTicks` name it for good. */
export interface ProcessSample {
  readonly pid: number;
  /** Since boot, in clock ticks: field 22 of /proc/PID/stat. */
  readonly startTicks: number;
  ppid: number;
  comm: string;
  /** Path of its memory cgroup; null when it could not be read. */
  cgroup: string | null;
  /** From 6.2 to 6.x the kernel's approximate count: off by up to 32 pages for each CPU and kind of page. */
  rssBytes: number;
  /** null: not read, for this sampler was told that there is no swap. */
  swapBytes: number | null;
  readonly kernelThread: boolean;
  /** When it was read, in milliseconds of the clock that was given. */
  readMs: number;
}

/** Where samples come from: /proc, or a faster way where the kernel has one. */
export interface ProcessSource extends Disposable {
  /** The processes that exist, by pid. The map and what is in it are the source's own, and change with the next pass. */
  sample(): ReadonlyMap<number, ProcessSample>;
  close(): void;
}

export interface ProcessesOptions {
  proc?: string;
  /** How many processes one pass reads at most. Default 512, some 10 ms. */
  most?: number;
  /** Read how much of each is in swap: twice the cost. Default false. */
  swap?: boolean;
  now?: () => number;
}

interface Known extends ProcessSample {
  /** In which it was read. */
  pass: number;
  reads: number;
}

/** From here on a process is large, and read so many times as often as the others when not all can be. */
const LARGE_BYTES = 16 * 2 ** 20;
const LARGE_SOONER = 8;
/** In how many passes what seldom changes is looked at: names, cgroups, and whether a thread of the kernel is still one. */
const LOOK_AGAIN = 16;

export class Processes implements ProcessSource {
  readonly #options: Required<ProcessesOptions>;
  readonly #page = pageBytes();
  readonly #known = new Map<number, Known>();
  #pass = 0;

  constructor({ proc = '/proc', most = 512, swap = false, now = () => performance.now() }: ProcessesOptions = {}) {
    this.#options = { proc, most, swap, now };
  }

  sample(): ReadonlyMap<number, ProcessSample> {
    const pids = pidsIn(this.#options.proc);
    this.#pass++;
    for (const pid of this.#known.keys()) if (!pids.has(pid)) this.#known.delete(pid);
    for (const pid of this.#due(pids)) this.#read(pid, this.#known.get(pid));
    return this.#known;
  }

  close(): void {
    this.#known.clear();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** Whom to read in this pass. When they are too many: who is new, then who was not read for long, the large ones sooner. */
  #due(pids: Set<number>): number[] {
    const due = [...pids].filter((pid) => {
      const known = this.#known.get(pid);
      return !known?.kernelThread || this.#pass - known.pass >= LOOK_AGAIN;
    });
    const { most } = this.#options;
    if (due.length <= most) return due;
    const urgency = (pid: number) => {
      const known = this.#known.get(pid);
      return known ? (this.#pass - known.pass) * (isLarge(known) ? LARGE_SOONER : 1) : Number.POSITIVE_INFINITY;
    };
    const ranked = due.map((pid) => ({ pid, urgency: urgency(pid) }));
    ranked.sort((a, b) => (a.urgency === b.urgency ? a.pid - b.pid : b.urgency - a.urgency));
    return ranked.slice(0, most).map(({ pid }) => pid);
  }

  #read(pid: number, known: Known | undefined): void {
    const directory = `${this.#options.proc}/${pid}`;
    const stat = readSmallFile(`${directory}/stat`);
    const close = stat ? endOfName(stat) : -1;
    if (!stat || close < 0) {
      this.#known.delete(pid); // it has just ended
      return;
    }
    const ppid = statField(stat, close, 4);
    const flags = statField(stat, close, 9);
    const ticks = statField(stat, close, 22);
    const rssBytes = statField(stat, close, 24) * this.#page;
    const same = known !== undefined && known.startTicks === ticks;
    // Names and cgroups seldom change, but most likely when a process is young: it is forked, moved, and turned into another.
    const reads = same ? known.reads + 1 : 0;
    const lookAgain = (reads & (reads - 1)) === 0 || reads % LOOK_AGAIN === 0;
    const comm = same && !lookAgain ? known.comm : nameIn(stat, close);
    const kernelThread = (flags & PF_KTHREAD) !== 0;
    const swap = this.#options.swap && !kernelThread ? readSmallFile(`${directory}/status`) : undefined;
    const swapBytes = swap === undefined ? null : (numberOf(swap, 'VmSwap:') ?? 0) * 1024;
    const readMs = this.#options.now();
    const pass = this.#pass;
    if (same) {
      Object.assign(known, { ppid, comm, rssBytes, swapBytes, readMs, pass, reads });
      if (lookAgain) known.cgroup = cgroupOf(directory) ?? known.cgroup;
      return;
    }
    const cgroup = kernelThread ? null : cgroupOf(directory);
    this.#known.set(pid, {
      ...{ pid, startTicks: ticks, ppid, comm, cgroup, rssBytes, swapBytes, kernelThread, readMs, pass, reads },
    });
  }
}

/** The largest, the most resident and swapped memory first. */
export function largest(processes: Iterable<ProcessSample>, most: number): ProcessSample[] {
  const size = ({ rssBytes, swapBytes }: ProcessSample) => rssBytes + (swapBytes ?? 0);
  const top: ProcessSample[] = [];
  for (const process of processes) {
    if (process.kernelThread || (top.length === most && size(process) <= size(top[most - 1] as ProcessSample)))
      continue;
    const at = top.findIndex((other) => size(other) < size(process));
    top.splice(at < 0 ? top.length : at, 0, process);
    if (top.length > most) top.pop();
  }
  return top;
}

const isLarge = ({ rssBytes, swapBytes }: ProcessSample) => rssBytes + (swapBytes ?? 0) >= LARGE_BYTES;

function cgroupOf(directory: string): string | null {
  const bytes = readSmallFile(`${directory}/cgroup`);
  return (bytes && memoryCgroup(bytes.toString('utf8'))) ?? null;
}
