import { pidsIn, processFiles } from '../linux/process-reader.ts';
import type { ProcessRecord } from '../linux/process-record.ts';

/** A process as it was when it was last read. */
export type ProcessSample = Readonly<Pick<ProcessRecord, 'pid' | 'startTicks'>> &
  Pick<ProcessRecord, 'ppid' | 'comm' | 'cgroup' | 'rssBytes' | 'kernelThread'> & {
    /** null: not read, because the machine has no swap. */
    swapBytes: number | null;
    /** When it was read, in milliseconds of the clock that was given. */
    readMs: number;
  };

/** Where samples of processes come from. */
export interface ProcessSource extends Disposable {
  /** The processes that exist, by pid. The map belongs to the source, and the next pass changes it in place. */
  sample(): ReadonlyMap<number, ProcessSample>;
  close(): void;
}

export interface ProcessSamplerOptions {
  proc?: string;
  /** How many processes one pass reads at most. Default 512, which takes some 10 ms. */
  most?: number;
  /** Read also how much of each is in swap, which doubles the cost. Default false. */
  swap?: boolean;
  /** Milliseconds of a clock that does not jump. Default performance.now(). */
  now?: () => number;
}

type Known = ProcessSample & {
  /** The pass in which it was read. */
  pass: number;
  reads: number;
};

/** A process of this size or more is read so many times as often as the others, when a pass cannot read all. */
const LARGE_BYTES = 16 * 2 ** 20;
const LARGE_SOONER = 8;
/** After so many passes things that seldom change are read again: cgroups, and whether a kernel thread is still one. */
const REFRESH_PASSES = 16;

/**
 * The memory of all processes, from /proc. A pass takes some 20 µs for each process that it reads, and reads at most a fixed
 * number of them: where there are more, they take turns, the large ones more often.
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

  /** The processes to read in this pass. If they are too many: new ones, then those read longest ago, the large ones sooner. */
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
      this.#known.delete(pid); // it has just exited
      return;
    }
    const { startTicks, ppid, comm, rssBytes, kernelThread } = stat;
    const same = known !== undefined && known.startTicks === startTicks;
    // A cgroup seldom changes, but most likely while a process is young: it is forked, then moved.
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
