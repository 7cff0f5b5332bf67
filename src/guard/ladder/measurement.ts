/** What a response has changed: memory as it was when its victim was chosen, held against memory now. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Sample, SampledCgroup } from '../../model/sample.ts';
import type { Fired } from '../rules/detect.ts';
import { holdNow } from '../rules/detect.ts';
import { type MachineView, REST } from './machine-view.ts';

/** How long memory may take to come back after the last process of the victim has exited. */
const MEMORY_BACK_MS = 2000;
const POLL_MS = 5;
/** Of what the victim held. Other processes may have taken the rest meanwhile, or it was shared. */
const BACK_SHARE = 0.5;

/** When the victim was chosen. */
interface Before {
  sample: Sample;
  /** Processes that the kernel's OOM killer had killed since boot. null: not known. */
  kernelKills: number | null;
  /** What the victim held. */
  heldBytes: number;
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

  /** The cgroup of the shortage in a sample; undefined: it was removed, or the shortage is the system's. */
  cgroupIn(sample: Sample): SampledCgroup | undefined {
    const { cgroup } = this.#fired;
    return cgroup && sample.cgroups.find(({ path }) => path === cgroup.path);
  }

  isShort(sample: Sample): boolean {
    const now = this.cgroupIn(sample);
    return (this.#fired.cgroup === undefined || now !== undefined) && holdNow(this.#fired.rule.when, sample, now);
  }

  /** How much more is available where memory was short; null: the cgroup was removed. */
  freedBytes(): number | null {
    const now = this.#machine.levels();
    const { cgroup } = this.#fired;
    if (!cgroup) return availableBytes(now) - availableBytes(this.#before.sample);
    const after = this.cgroupIn(now);
    return after ? cgroup.usage_bytes - after.usage_bytes : null;
  }

  /** Whether the kernel's OOM killer has killed there since. null: not known. */
  kernelKilled(): boolean | null {
    const { cgroup } = this.#fired;
    const before = cgroup ? cgroup.oom_kills : this.#before.kernelKills;
    const now = cgroup ? (this.cgroupIn(this.#machine.levels())?.oom_kills ?? null) : this.#machine.kernelKills();
    return now === null || before === null ? null : now > before;
  }

  /** CLOCK_MONOTONIC when there was enough memory again; undefined: not in time, or aborted. */
  async memoryBack(signal: AbortSignal): Promise<bigint | undefined> {
    const until = performance.now() + MEMORY_BACK_MS;
    for (;;) {
      const began = performance.now();
      const freed = this.freedBytes();
      if (freed === null || freed >= BACK_SHARE * this.#before.heldBytes || !this.isShort(this.#machine.levels())) {
        return process.hrtime.bigint();
      }
      const now = performance.now();
      if (now > until || signal.aborted) return undefined;
      await sleep(Math.max(POLL_MS, REST * (now - began)));
    }
  }
}

const availableBytes = ({ system }: Sample) => system.available_bytes + system.swap_free_bytes;
