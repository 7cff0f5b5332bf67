/** Implements `oomscope k8s top --watch`: a live view, or JSON Lines. */
import type { TopContainer } from '../../../kubernetes/top-row.ts';
import type { Paint } from '../../../render/paint.ts';
import { Exit } from '../../verb/exit.ts';
import { followPodsHere, followPodsOfAgents, type GivenPods } from '../../verb/node-pods.ts';
import { RunUntil } from '../../verb/run-until.ts';
import { type Key, Screen } from '../../verb/screen.ts';
import { byDanger, table } from './top-view.ts';

export interface TopWatchOptions {
  /** The time of one sample, over which growth is measured (ms). */
  sampleMs: number;
  asText: boolean;
  paint: Paint;
}

export interface GivenTop extends GivenPods {
  cluster: boolean | undefined;
  'agent-namespace': string | undefined;
}

/** Shows samples until a key or a signal ends it. @throws the errors of sample() in src/cli/verb/node-pods.ts */
export async function watchTop(given: GivenTop, names: readonly string[], options: TopWatchOptions): Promise<number> {
  const pods = await (given.cluster ? followPodsOfAgents(given, names) : followPodsHere(given, names));
  const ending = new RunUntil();
  ending.bySignals();
  process.stdout.on('error', ending.now); // the reader has closed stdout
  const end = ending.comes();
  try {
    const first = await pods.sample(options.sampleMs);
    using view = options.asText && Screen.possible() ? new TopView(options.paint, ending) : undefined;
    const show = (containers: TopContainer[]) => {
      const sorted = containers.sort(byDanger);
      if (view) view.show(sorted);
      else process.stdout.write(`${JSON.stringify(sorted)}\n`);
    };
    show(first);
    while (!ending.signal.aborted) {
      const sample = await Promise.race([pods.sample(options.sampleMs), end]);
      if (sample) show(sample);
    }
  } finally {
    pods.close();
  }
  return Exit.ok;
}

class TopView implements Disposable {
  readonly #paint: Paint;
  readonly #ending: RunUntil;
  readonly #screen: Screen;
  /** How many lines above the first visible line are scrolled out of view. */
  #offset = 0;
  #shown: TopContainer[] = [];

  constructor(paint: Paint, ending: RunUntil) {
    this.#paint = paint;
    this.#ending = ending;
    this.#screen = new Screen({ onKey: (key) => this.#onKey(key), onResize: () => this.#draw() });
    this.#screen.open();
  }

  show(containers: TopContainer[]): void {
    this.#shown = containers;
    this.#draw();
  }

  [Symbol.dispose](): void {
    this.#screen.close();
  }

  #draw(): void {
    const { columns, rows } = this.#screen;
    const [head = '', ...lines] = table(this.#shown, this.#paint, columns);
    const room = Math.max(0, rows - 2);
    this.#offset = Math.max(0, Math.min(this.#offset, lines.length - room));
    const body = lines.slice(this.#offset, this.#offset + room);
    const below = Math.max(0, lines.length - this.#offset - room);
    const place = below + this.#offset > 0 ? `  ↑↓ scroll: ${this.#offset} above, ${below} below` : '';
    const none = lines.length === 0 ? '  no such pod runs now' : '';
    const blank = Array<string>(room - body.length).fill('');
    this.#screen.draw([head, ...body, ...blank, this.#paint('dim', `q quit${place}${none}`)]);
  }

  #onKey(key: Key): void {
    const page = this.#screen.rows - 3;
    if (key === 'q' || key === 'ctrl-c' || key === 'escape') this.#ending.now();
    this.#offset += { up: -1, down: 1, 'page-up': -page, 'page-down': page }[key] ?? 0;
    this.#draw();
  }
}
