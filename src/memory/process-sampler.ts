import { pidsIn, processFiles } from '../linux/process-reader.ts';
import type { ProcessRecord } from '../linux/process-record.ts';

/** The state of a process when it was last read. */
export type ProcessSample = Readonly<Pick<ProcessRecord, 'pid' | 'startTicks'>> &
  Pick<ProcessRecord, 'ppid' | 'comm' | 'cgroup' | 'rssBytes' | 'kernelThread'> & {
    /** null: not read, because the machine has no swap. */
    swapBytes: number | null;
    /** When the process was read, in milliseconds by the clock of the option `now`. */
    readMs: number;
  };

/** A source of process samples. */
export interface ProcessSource extends Disposable {
  /** Samples all processes. The result, by pid, belongs to the source; the next call changes it in place. */
  sample(): ReadonlyMap<number, ProcessSample>;
  close(): void;
}

export interface ProcessSamplerOptions {
  proc?: string;
  /** The most processes that one pass reads. Default 512, which takes about 10 ms. */
  most?: number;
  /** Also read the swapped memory of each process, which doubles the cost. Default false. */
  swap?: boolean;
  /** A clock that does not jump, in milliseconds. Default performance.now(). */
  now?: () => number;
}

type Known = ProcessSample & {
  /** The number of the pass in which the process was last read. */
  pass: number;
  reads: number;
};

/**
 * If one pass cannot read all processes, those of this size or more are read LARGE_SOONER times as often as the others.
 */
const LARGE_BYTES = 16 * 2 ** 20;
const LARGE_SOONER = 8;
/** Facts that seldom change are read again after this many passes: the cgroup, and whether a pid is a kernel thread. */
const REFRESH_PASSES = 16;

/**
 * Samples the memory of all processes from /proc. A pass takes about 20 µs per process and reads at most `most`
 * processes. If there are more, each pass reads a part of them, and large processes are read more often.
 */
export class ProcessSampler implements ProcessSource {
  readonly #options: Required<ProcessSamplerOptions>;
  readonly #known = new Map<number, Known>();
  #pass = 0;

  constructor({ proc = '/proc', most = 512, swap = false, now = () => performance.now() }: ProcessSamplerOptions = {}) {
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

  /**
   * The processes to read in this pass. If there are too many: new ones, then the least recently read, large ones
   * sooner.
   */
  #due(pids: Set<number>): number[] {
    const due = [...pids].filter((pid) => {
      const known = this.#known.get(pid);
      return !known?.kernelThread || this.#pass - known.pass >= REFRESH_PASSES;
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
    const stat = processFiles.stat(directory);
    if (!stat) {
      this.#known.delete(pid); // the process has just exited
      return;
    }
    const { startTicks, ppid, comm, rssBytes, kernelThread } = stat;
    const same = known !== undefined && known.startTicks === startTicks;
    // A process changes its cgroup most likely soon after fork(), so its cgroup is read more often at the beginning.
    const reads = same ? known.reads + 1 : 0;
    const refresh = (reads & (reads - 1)) === 0 || reads % REFRESH_PASSES === 0;
    const swap = this.#options.swap && !kernelThread ? processFiles.swap(directory) : undefined;
    const swapBytes = swap?.swapBytes ?? null;
    const cgroup = refresh && !kernelThread ? processFiles.cgroup(directory)?.cgroup : undefined;
    const now = { ppid, comm, rssBytes, swapBytes, kernelThread, readMs: this.#options.now(), pass: this.#pass, reads };
    if (same) Object.assign(known, now, { cgroup: cgroup ?? known.cgroup });
    else this.#known.set(pid, { pid, startTicks, cgroup: cgroup ?? null, ...now });
  }
}

/** The processes with the most resident and swapped memory, the largest first. */
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
