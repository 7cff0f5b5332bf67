import type { Sample, SampledProcess } from '../../model/sample.ts';

/** How the guard sees the machine. The sampler (src/guard/senses/sampler.ts) reads the real one; tests make one up. */
export interface MachineView {
  /** Memory of the system and of the cgroups that rules are about; without processes. */
  levels(): Sample;
  /** With all processes. @param levels a sample of now, where there is one */
  whole(levels?: Sample): Sample;
  /** One process, read anew. undefined: it has exited. */
  process(pid: number): SampledProcess | undefined;
  /** Processes that the kernel's OOM killer has killed since boot. null: not known. */
  kernelKills(): number | null;
  /** The directory of a cgroup. undefined: no memory controller is mounted. */
  directoryOf(path: string): string | undefined;
}

/**
 * After each sample the guard rests this many times as long as the sample took. It runs at real-time priority, and would
 * otherwise take the CPU from the processes that free memory.
 */
export const REST = 4;
