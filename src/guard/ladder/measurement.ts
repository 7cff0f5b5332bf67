/** Measures the effect of a response: compares memory when its victim was chosen with memory now. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Sample, SampledCgroup } from '../../model/sample.ts';
import type { Fired } from '../rules/detect.ts';
import { holdNow } from '../rules/detect.ts';
import { type MachineView, REST } from './machine-view.ts';

/**
 * After the last process of the victim has exited, the guard waits at most this long for its memory to be free (ms).
 */
const MEMORY_BACK_MS = 2000;
const POLL_MS = 5;
/**
 * The memory counts as free when at least this share of what the victim held is available again. The rest may have been
 * shared, or other processes may have taken it meanwhile.
 */
const BACK_SHARE = 0.5;

/** The state when the victim was chosen. */
interface Before {
  sample: Sample;
  /** Number of processes that the kernel's OOM killer had killed since boot. null: unknown. */
  kernelKills: number | null;
  /** Memory that the victim held. */
  heldBytes: number;
}

interface Back {
  /** CLOCK_MONOTONIC. */
  ns: bigint;
  /**
   * false: memory is no longer short, although less than BACK_SHARE of what the victim held is available again. Other
   * processes may have freed it, and the victim may have shared what it held.
   */
  isFreed: boolean;
}

export class Measurement {
  readonly #machine: MachineView;
  readonly #fired: Fired;
  readonly #before: Before;

  constructor(machine: MachineView, fired: Fired, before: Before) {
    this.#machine = machine;
    this.#fired = fired;
    this.#before = before;
  }

  /**
   * The cgroup in which memory is short, as in `sample`; undefined: the cgroup was removed, or memory is short in the
   * whole system.
   */
  cgroupIn(sample: Sample): SampledCgroup | undefined {
    const { cgroup } = this.#fired;
    return cgroup && sample.cgroups.find(({ path }) => path === cgroup.path);
  }

  isShort(sample: Sample): boolean {
    const now = this.cgroupIn(sample);
    return (this.#fired.cgroup === undefined || now !== undefined) && holdNow(this.#fired.rule.when, sample, now);
  }

  /**
   * How much more memory is available now in the cgroup or system where memory was short; null: the cgroup was removed.
   */
  freedBytes(): number | null {
    const now = this.#machine.levels();
    const { cgroup } = this.#fired;
    if (!cgroup) return availableBytes(now) - availableBytes(this.#before.sample);
    const after = this.cgroupIn(now);
    return after ? cgroup.usage_bytes - after.usage_bytes : null;
  }

  /** Whether the kernel's OOM killer has killed a process there since the victim was chosen. null: unknown. */
  kernelKilled(): boolean | null {
    const { cgroup } = this.#fired;
    const before = cgroup ? cgroup.oom_kills : this.#before.kernelKills;
    const now = cgroup ? (this.cgroupIn(this.#machine.levels())?.oom_kills ?? null) : this.#machine.kernelKills();
    return now === null || before === null ? null : now > before;
  }

  /**
   * Waits until a fair share of what the victim held is available again, or memory is no longer short. undefined: that took
   * too long, or `signal` aborted.
   */
  async memoryBack(signal: AbortSignal): Promise<Back | undefined> {
    const until = performance.now() + MEMORY_BACK_MS;
    for (;;) {
      const began = performance.now();
      const freed = this.freedBytes();
      const isFreed = freed === null || freed >= BACK_SHARE * this.#before.heldBytes;
      if (isFreed || !this.isShort(this.#machine.levels())) return { ns: process.hrtime.bigint(), isFreed };
      const now = performance.now();
      if (now > until || signal.aborted) return undefined;
      await sleep(Math.max(POLL_MS, REST * (now - began)));
    }
  }
}

const availableBytes = ({ system }: Sample) => system.available_bytes + system.swap_free_bytes;
