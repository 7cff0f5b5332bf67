import { ScoreAdjFile } from '../../../process/oom-score-adj-file.ts';

/** The present oom_score_adj of a process. null: the process has ended, or oomscope may not read it. */
export function valueNow(pid: number, startTicks: number): number | null {
  try {
    using file = ScoreAdjFile.open({ pid, startTicks });
    return file.read();
  } catch {
    return null;
  }
}
