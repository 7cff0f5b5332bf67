/**
 * Reads the arguments of processes that send a fatal signal or are about to die of one, while they live. It reads on
 * libuv's threads: a reader of /proc/PID/cmdline may spin in the kernel for milliseconds.
 */
import { readFile } from 'node:fs/promises';
import { SignalFact } from '../bpf/wire/layout.ts';
import { parseCmdline, parseStat } from '../linux/process-files.ts';
import type { ProcessId } from '../model/process.ts';
import { type Fatal, has } from './death.ts';

/** Longer command lines are cut. */
const MOST_BYTES = 4096;
const MOST_REMEMBERED = 256;

export class Arguments {
  readonly #proc: string;
  readonly #known = new Map<string, Promise<string[] | null>>();

  constructor(proc = '/proc') {
    this.#proc = proc;
  }

  /** Reads the arguments of the victim and of the sender of a signal. */
  read(fatal: Fatal): void {
    // While the OOM killer prints its report it holds a lock that the reader would wait for; it knows the arguments.
    if (has(fatal, SignalFact.SIGNAL_FROM_KERNEL)) return;
    void this.of(fatal.victim);
    void this.of(fatal.sender);
  }

  /** The arguments of a process. null: it has exited, or may not be read. Never rejects. */
  of({ pid, start_ticks }: ProcessId): Promise<string[] | null> {
    const key = `${pid} ${start_ticks}`;
    let found = this.#known.get(key);
    if (!found) {
      found = this.#read(pid, start_ticks).catch(() => null);
      this.#known.set(key, found);
      if (this.#known.size > MOST_REMEMBERED) this.#known.delete(this.#known.keys().next().value as string);
    }
    return found;
  }

  async #read(pid: number, startTicks: number): Promise<string[] | null> {
    const [cmdline, stat] = await Promise.all([
      readFile(`${this.#proc}/${pid}/cmdline`),
      readFile(`${this.#proc}/${pid}/stat`),
    ]);
    if (cmdline.length === 0 || parseStat(stat)?.startTicks !== startTicks) return null;
    return parseCmdline(cmdline.subarray(0, MOST_BYTES));
  }
}
