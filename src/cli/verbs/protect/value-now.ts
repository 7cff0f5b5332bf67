import { ScoreAdjFile } from '../../../process/oom-score-adj-file.ts';

/** The oom_score_adj that a process has now. null: it has ended, or may not be read. */
export function valueNow(pid: number, startTicks: number): number | null {
  try {
    using file = ScoreAdjFile.open({ pid, startTicks });
    return file.read();
  } catch {
    return null;
  }
}
