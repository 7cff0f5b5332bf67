/** Implements `oomscope tree --watch`. */
import type { CgroupTree } from '../../../container-watch/cgroup-tree.ts';
import type { CgroupNode } from '../../../model/cgroup-tree.ts';
import type { Paint } from '../../../render/paint.ts';
import { renderTree } from '../../../render/tree-view.ts';
import { printable } from '../../../text/printable.ts';
import { usage } from '../../verb/options.ts';
import { RunUntil } from '../../verb/run-until.ts';
import { type Key, Screen } from '../../verb/screen.ts';

export interface TreeWatchOptions {
  /** Show every cgroup. */
  all: boolean;
  intervalMs: number;
  paint: Paint;
}

/** Shows the live view until a key or a signal ends it. @throws OomscopeError USAGE: there is no terminal */
export async function watchTree(tree: CgroupTree, path: string, options: TreeWatchOptions): Promise<void> {
  if (!Screen.possible()) throw usage('--watch needs a terminal; without one, run `oomscope tree --json` repeatedly.');
  const ending = new RunUntil();
  ending.bySignals();
  using view = new TreeView(tree, path, options, ending);
  const sample = () => {
    try {
      view.sample();
    } catch (error) {
      ending.fail(error);
    }
  };
  sample();
  const timer = setInterval(sample, options.intervalMs);
  await ending.comes();
  clearInterval(timer);
  ending.throwFailure();
}

class TreeView implements Disposable {
  readonly #tree: CgroupTree;
  readonly #path: string;
  readonly #options: TreeWatchOptions;
  readonly #ending: RunUntil;
  readonly #screen: Screen;
  #all: boolean;
  /** How many lines above the first visible line are scrolled out of view. */
  #offset = 0;
  #root: CgroupNode | undefined;

  constructor(tree: CgroupTree, path: string, options: TreeWatchOptions, ending: RunUntil) {
    this.#tree = tree;
    this.#path = path;
    this.#options = options;
    this.#ending = ending;
    this.#all = options.all;
    this.#screen = new Screen({ onKey: (key) => this.#onKey(key), onResize: () => this.#draw() });
    this.#screen.open();
  }

  sample(): void {
    this.#root = this.#tree.sample(this.#path);
    this.#draw();
  }

  [Symbol.dispose](): void {
    this.#screen.close();
  }

  #draw(): void {
    const { columns, rows } = this.#screen;
    const { paint } = this.#options;
    if (!this.#root) {
      this.#screen.draw([`The cgroup ${printable(this.#path)} is gone. q quits.`]);
      return;
    }
    const all = this.#all;
    const [verdict = '', head = '', ...lines] = renderTree(this.#root, { paint, columns, all, watched: true });
    const room = Math.max(0, rows - 3);
    this.#offset = Math.max(0, Math.min(this.#offset, lines.length - room));
    const below = Math.max(0, lines.length - this.#offset - room);
    const place = below > 0 || this.#offset > 0 ? `  ↑↓ scroll: ${this.#offset} above, ${below} below` : '';
    const body = lines.slice(this.#offset, this.#offset + room);
    const blank = Array<string>(room - body.length).fill('');
    this.#screen.draw([
      verdict,
      head,
      ...body,
      ...blank,
      paint('dim', `q quit  a ${all ? 'fold' : 'show all'}${place}`),
    ]);
  }

  #onKey(key: Key): void {
    const page = this.#screen.rows - 4;
    const scroll = { up: -1, down: 1, 'page-up': -page, 'page-down': page }[key];
    if (key === 'q' || key === 'ctrl-c' || key === 'escape') this.#ending.now();
    if (key === 'a') this.#all = !this.#all;
    this.#offset += scroll ?? 0;
    this.#draw();
  }
}
