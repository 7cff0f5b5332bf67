import { Observable, timer } from 'rxjs';
import type { ScoreSample } from '../model/score.ts';
import { type OptionNames, refuseUnknownOptions } from '../text/unknown-option.ts';
import { ScoreSampler, type ScoresOptions } from './score-sampler.ts';

/** Options of `watchScores()`. */
export interface WatchScoresOptions extends ScoresOptions {
  /** The interval between samples in milliseconds. Default 1,000. */
  intervalMs?: number;
}

const names: OptionNames<WatchScoresOptions> = {
  top: true,
  domain: true,
  filter: true,
  sort: true,
  spared: true,
  ownerOf: true,
  backend: true,
  intervalMs: true,
};

/**
 * Emits which process would be killed next: a `score.sample` at once, and another after every interval. Cold: each
 * subscription takes its own samples. It does not complete. It errors with USAGE if the cgroup does not exist or is
 * removed.
 *
 * @throws OomscopeError USAGE: an option does not exist
 */
export function watchScores(options: WatchScoresOptions = {}): Observable<ScoreSample> {
  refuseUnknownOptions('watchScores()', options, names);
  return new Observable((subscriber) => {
    const sampler = new ScoreSampler(options);
    const ticks = timer(0, options.intervalMs ?? 1000).subscribe({
      next: () => {
        try {
          subscriber.next(sampler.sample());
        } catch (error) {
          subscriber.error(error);
        }
      },
    });
    return () => {
      ticks.unsubscribe();
      sampler.close();
    };
  });
}
