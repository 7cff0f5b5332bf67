/**
 * Tells which memory of a process is its own. A child of fork(2) begins with every page of its parent, so the child of a large
 * process is as large from its first moment on, and a child of vfork(2) uses the parent's memory itself until it calls execve(2).
 */
import type { Sample, SampledProcess } from '../../model/sample.ts';
import { heldBytes } from './unit.ts';

interface Family {
  byPid: ReadonlyMap<number, SampledProcess>;
  /** The oldest process that runs the same image, by the address of its stack. */
  oldest: ReadonlyMap<number, SampledProcess>;
}

/** Two readings of the same memory differ by less than this share. */
const SAME_SHARE = 0.01;
const families = new WeakMap<readonly SampledProcess[], Family>();

/** What a process holds, without what its parent held when it called fork(2), if it has not called execve(2) since. */
export function ownBytes(process: SampledProcess, sample: Sample): number {
  const origin = originOf(process, sample);
  return Math.max(0, heldBytes(process) - (origin ? heldBytes(origin) : 0));
}

/**
 * Whether a process uses the memory of its parent, which waits in vfork(2) (kernel/fork.c: wait_for_vfork_done()): both have
 * the same page tables. The kernel does not choose such a process either (mm/oom_kill.c: oom_badness()).
 */
export function usesParentsMemory(process: SampledProcess, sample: Sample): boolean {
  const parent = familyOf(sample)?.byPid.get(process.ppid);
  return (
    parent !== undefined &&
    parent.state === 'D' &&
    process.stack_start !== undefined &&
    parent.stack_start === process.stack_start &&
    parent.page_tables_bytes === process.page_tables_bytes &&
    parent.swap_bytes === process.swap_bytes &&
    Math.abs(parent.rss_bytes - process.rss_bytes) <= SAME_SHARE * parent.rss_bytes // read one after the other
  );
}

/**
 * The process whose memory a process has begun with: its parent, or, if that has exited, the oldest that runs the same image.
 * undefined: the process has called execve(2) itself. If it is unknown whether it has, it counts as not: growth that is not
 * known must not make a process the first one to be killed.
 */
function originOf(process: SampledProcess, sample: Sample): SampledProcess | undefined {
  const family = familyOf(sample);
  const { stack_start: image, start_ticks: since } = process;
  const parent = family?.byPid.get(process.ppid);
  const sameImage = (other: SampledProcess) => !image || !other.stack_start || other.stack_start === image;
  if (parent && parent.start_ticks <= since && sameImage(parent)) return parent;
  const oldest = image === undefined ? undefined : family?.oldest.get(image);
  return oldest && oldest.start_ticks < since ? oldest : undefined;
}

function familyOf({ processes }: Sample): Family | undefined {
  if (processes === null) return undefined;
  let family = families.get(processes);
  if (!family) {
    const oldest = new Map<number, SampledProcess>();
    for (const process of processes) {
      const { stack_start: image } = process;
      const before = image === undefined ? undefined : oldest.get(image);
      if (image !== undefined && (!before || process.start_ticks < before.start_ticks)) oldest.set(image, process);
    }
    family = { byPid: new Map(processes.map((process) => [process.pid, process])), oldest };
    families.set(processes, family);
  }
  return family;
}
