import { OOM_SCORE_ADJ_MIN } from '../kernel-facts/oom-badness.ts';
import { processFiles } from '../linux/process-reader.ts';

/**
 * Why a process must not be signalled, whatever a policy says; undefined: it may be signalled.
 *
 * @param own this process and its ancestors: processAncestors()
 */
export function neverSignal(pid: number, own: ReadonlySet<number>, proc = '/proc'): string | undefined {
  if (pid === 1) return 'it is init';
  if (own.has(pid)) return pid === process.pid ? 'it is oomscope itself' : 'oomscope descends from it';
  const directory = `${proc}/${pid}`;
  if (processFiles.stat(directory)?.kernelThread) return 'it is a kernel thread';
  if (processFiles.oom_score_adj(directory)?.oomScoreAdj === OOM_SCORE_ADJ_MIN) return 'its oom_score_adj is -1000';
  return undefined;
}
