import { statSync } from 'node:fs';
import type { Sample, SampledProcess } from '../../model/sample.ts';
import type { Slack } from '../rules/pace.ts';

/**
 * What the guard can read of the machine. The sampler (src/guard/senses/sampler.ts) reads the real machine; tests
 * implement a simulated one.
 */
export interface MachineView {
  /** A sample of the memory of the system and of the cgroups that the rules name, without processes. */
  levels(): Sample;
  /**
   * Whether memory has shrunk since the last sample by a good part of the slack of any place: cheap, with no sample.
   * Without this method, the guard takes a sample each time.
   */
  moved?(slack: readonly Slack[]): boolean;
  /**
   * Looks at memory as often as `moved()` has to be called, outside of JavaScript, and calls `onMoved` once, as soon as
   * `moved()` would be true. A later call takes the place of this one.
   *
   * @param leastMs the shortest interval between two looks
   * @param mostMs for how long this is wanted
   * @returns false: that is not possible now, and nothing is watched
   */
  whenMoved?(slack: readonly Slack[], onMoved: () => void, interval: { leastMs: number; mostMs: number }): boolean;
  /** Ends what whenMoved() has begun. */
  forgetMoves?(): void;
  /** A sample with all processes. @param levels the result of `levels()`, where the caller has just called it */
  whole(levels?: Sample): Sample;
  /** One process, read again. undefined: the process has exited. */
  process(pid: number): SampledProcess | undefined;
  /** Number of processes that the kernel's OOM killer has killed since boot. null: unknown. */
  kernelKills(): number | null;
  /** Whether the kernel's OOM killer has killed this process. null, or without this method: unknown. */
  killedByKernel?(process: Pick<SampledProcess, 'pid' | 'start_ticks'>): boolean | null;
  /** The directory of a cgroup. undefined: no memory controller is mounted. */
  directoryOf(path: string): string | undefined;
}

/** A cgroup's id is the inode of its directory. undefined: it was removed. */
export function cgroupId(machine: MachineView, path: string): bigint | undefined {
  const directory = machine.directoryOf(path);
  return directory === undefined ? undefined : statSync(directory, { bigint: true, throwIfNoEntry: false })?.ino;
}

/**
 * After each sample, the guard pauses for this many times the duration of the sample. The guard may run at real-time
 * priority, and without a pause it would take the CPU from the processes that free memory.
 */
export const REST = 4;
