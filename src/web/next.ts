/** The processes that the kernel would kill next, for the page. */
import { ScoreSampler } from '../scores/score-sampler.ts';
import type { Next } from './wire.ts';

const TOP = 5;

/** Reads the processes from /proc at each call. */
export class NextVictims implements Disposable {
  #scores: ScoreSampler | undefined;

  read(): Next[] {
    try {
      this.#scores ??= new ScoreSampler({ top: TOP, backend: 'proc' });
      return this.#scores
        .sample()
        .scores.map(({ pid, comm, rss_bytes, swap_bytes, oom_score_adj, badness_per_mille }) => ({
          ...{
            pid,
            name: comm,
            memory: rss_bytes + swap_bytes,
            adj: oom_score_adj,
            points: Math.round(badness_per_mille ?? 0),
          },
        }));
    } catch {
      return []; // /proc cannot be read: the page says that the order is not known
    }
  }

  [Symbol.dispose](): void {
    this.#scores?.close();
  }
}
