import { readSmallFile } from '../../linux/small-file.ts';

/**
 * How often the kernel skipped a program (kernel/bpf/syscall.c: bpf_prog_show_fdinfo()). 0 also before 5.12, which does not count it,
 * and where the file cannot be read.
 *
 * @param fd a descriptor of the program. A descriptor of anything else has no skipped runs
 */
export function skippedRuns(fd: number | string): number {
  const info = readSmallFile(`/proc/self/fdinfo/${fd}`)?.toString('latin1') ?? '';
  return Number(/^recursion_misses:\s+(\d+)$/m.exec(info)?.[1] ?? 0);
}
