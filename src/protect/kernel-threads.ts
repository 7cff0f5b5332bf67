import { pidsIn, processFiles } from '../linux/process-reader.ts';

/** The names of all kernel threads. The list is empty where /proc shows none, as in a container. */
export function kernelThreadNames(proc = '/proc'): string[] {
  return [...pidsIn(proc)].flatMap((pid) => {
    const stat = processFiles.stat(`${proc}/${pid}`);
    return stat?.kernelThread ? [stat.comm] : [];
  });
}
