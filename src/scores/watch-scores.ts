import { Observable, timer } from 'rxjs';
import type { ScoreSample } from '../model/score.ts';
import { type OptionNames, refuseUnknownOptions } from '../text/unknown-option.ts';
import { ScoreSampler, type ScoresOptions } from './score-sampler.ts';

/** Options of `watchScores()`. */
export interface WatchScoresOptions extends ScoresOptions {
  /** Milliseconds from one sample to the next. Default 1,000. */
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
 * Which process would be killed next: a `score.sample` at once, and one more after every interval. Cold: each subscription
 * samples by itself. It does not complete; it errors with USAGE when there is no such cgroup, or when it is removed.
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
