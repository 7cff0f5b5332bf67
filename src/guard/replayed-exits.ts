/**
 * Models how a victim exits in a replay. A process that was signalled stays in the samples for as long as it would take
 * to exit, and frees its memory then. What the pressure would have been without it is unknown, and stays as recorded.
 */
import type { Sample, SampledProcess } from '../model/sample.ts';
import { isWithin } from '../text/cgroup-path.ts';
import { identity } from './rules/protect.ts';

/**
 * The time from a signal to the exit (ms), when none is given: measured with processes of up to 2 GiB in pages of 4 KiB,
 * which took 190 to 260 ms for each GiB on a busy machine with Linux 6.18.
 */
const EXIT_MS = 10;
const EXIT_MS_PER_GIB = 200;

/** `exiting`: it was sent SIGKILL. A process that was sent SIGTERM may still be doing anything. */
export type ReplayedState = 'alive' | 'exiting' | 'gone';

export class ReplayedExits {
  readonly #exitMs: number | undefined;
  /** When each signalled process is gone (ms), by its identity. */
  readonly #goneAt = new Map<string, number>();
  readonly #killed = new Set<string>();

  /** @param exitMs how long every process takes to exit (ms); undefined: by the memory that it holds */
  constructor(exitMs: number | undefined) {
    this.#exitMs = exitMs;
  }

  signalled(members: readonly SampledProcess[], signal: 'SIGTERM' | 'SIGKILL', nowMs: number): void {
    for (const member of members) {
      const id = identity(member);
      if (signal === 'SIGKILL') this.#killed.add(id);
      if (this.#goneAt.has(id)) continue; // it is on its way already
      const bytes = member.rss_bytes + member.swap_bytes;
      this.#goneAt.set(id, nowMs + (this.#exitMs ?? EXIT_MS + (EXIT_MS_PER_GIB * bytes) / 2 ** 30));
    }
  }

  state(process: Pick<SampledProcess, 'pid' | 'start_ticks'>, nowMs: number): ReplayedState {
    const id = identity(process);
    if (nowMs >= (this.#goneAt.get(id) ?? Number.POSITIVE_INFINITY)) return 'gone';
    return this.#killed.has(id) ? 'exiting' : 'alive';
  }

  /** The sample as it would have been with the signals that were sent. */
  applied(recorded: Sample): Sample {
    if (this.#goneAt.size === 0 || recorded.processes === null) return recorded;
    const gone = new Set<SampledProcess>();
    const left: SampledProcess[] = [];
    for (const process of recorded.processes) {
      const state = this.state(process, recorded.mono_ms);
      if (state === 'gone') gone.add(process);
      else left.push(state === 'exiting' ? { ...process, dying: true } : process);
    }
    return gone.size === 0 ? { ...recorded, processes: left } : without(recorded, [...gone], left);
  }
}

function without(sample: Sample, gone: readonly SampledProcess[], left: SampledProcess[]): Sample {
  const sum = (of: (one: SampledProcess) => number, among = gone) => among.reduce((total, one) => total + of(one), 0);
  const rss = sum((one) => one.rss_bytes);
  const { system } = sample;
  return {
    ...sample,
    processes: left,
    system: {
      ...system,
      available_bytes: Math.min(system.total_bytes, system.available_bytes + rss),
      anon_bytes: Math.max(0, system.anon_bytes - rss),
      swap_free_bytes: Math.min(system.swap_total_bytes, system.swap_free_bytes + sum((one) => one.swap_bytes)),
    },
    cgroups: sample.cgroups.map((cgroup) => {
      const inside = gone.filter((one) => isWithin(one.cgroup, cgroup.path));
      return { ...cgroup, usage_bytes: Math.max(0, cgroup.usage_bytes - sum((one) => one.rss_bytes, inside)) };
    }),
  };
}
