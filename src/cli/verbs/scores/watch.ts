/** Implements `oomscope scores --watch`: a live view, or JSON Lines. */
import { OomscopeError } from '../../../model/error.ts';
import type { Score, ScoreSample } from '../../../model/score.ts';
import type { Paint } from '../../../render/paint.ts';
import { ScoreSampler } from '../../../scores/score-sampler.ts';
import { Exit } from '../../verb/exit.ts';
import { RunUntil } from '../../verb/run-until.ts';
import { Screen } from '../../verb/screen.ts';
import type { ScoresGiven, Wanted } from './options.ts';
import { scoreLines, summary } from './view.ts';

export async function watchScores(wanted: Wanted, given: ScoresGiven, asText: boolean, paint: Paint): Promise<number> {
  using scores = new ScoreSampler(wanted);
  const ending = new RunUntil();
  ending.bySignals();
  const live = asText && Screen.possible();
  using view = live ? new ScoresView(scores, wanted, given.top, paint, ending) : undefined;
  process.stdout.on('error', ending.now); // the reader has closed stdout
  const sample = () => {
    try {
      if (view) view.draw();
      else process.stdout.write(`${JSON.stringify(scores.sample())}\n`);
    } catch (error) {
      ending.fail(error);
    }
  };
  sample();
  const timer = setInterval(sample, given.interval ?? 1000);
  await ending.comes(given.duration);
  clearInterval(timer);
  ending.throwFailure();
  return Exit.ok;
}

const sorts = { b: 'badness', m: 'memory', w: 'swap', g: 'growth', a: 'adj' } as const;

class ScoresView implements Disposable {
  readonly #scores: ScoreSampler;
  readonly #wanted: Wanted;
  readonly #top: number | undefined;
  readonly #paint: Paint;
  readonly #ending: RunUntil;
  readonly #screen: Screen;
  #before = new Map<string, Score>();

  /** @param top how many processes to list; undefined: as many as fit on the screen */
  constructor(scores: ScoreSampler, wanted: Wanted, top: number | undefined, paint: Paint, ending: RunUntil) {
    this.#scores = scores;
    this.#wanted = wanted;
    this.#top = top;
    this.#paint = paint;
    this.#ending = ending;
    this.#screen = new Screen({ onKey: (key) => this.#onKey(key), onResize: () => this.draw() });
    this.#screen.open();
  }

  draw(): void {
    const screen = this.#screen;
    this.#wanted.top = this.#top ?? Math.max(1, screen.rows - 4);
    let sample: ScoreSample;
    try {
      sample = this.#scores.sample();
    } catch (error) {
      if (!(error instanceof OomscopeError)) throw error;
      screen.draw([error.message]); // the cgroup was removed; it may be created again
      return;
    }
    const keys = this.#paint('dim', `sorted by ${this.#wanted.sort}   b m w g a sort   s spared   q quit`);
    const lines = scoreLines(sample, screen.columns, this.#paint, this.#before);
    screen.draw([summary(sample), ...lines, '', keys]);
    this.#before = new Map(sample.scores.map((score) => [`${score.pid}:${score.start_ticks}`, score]));
  }

  #onKey(key: string): void {
    if (key === 'q' || key === 'ctrl-c' || key === 'escape') this.#ending.now();
    if (Object.hasOwn(sorts, key)) this.#wanted.sort = sorts[key as keyof typeof sorts];
    if (key === 's') this.#wanted.spared = !this.#wanted.spared;
    this.draw();
  }

  [Symbol.dispose](): void {
    this.#screen.close();
  }
}
