import { hostname } from 'node:os';
import type { MemoryWatch } from '../../../pressure/memory-watch.ts';
import type { Paint } from '../../../render/paint.ts';
import { type Key, Screen } from '../../verb/screen.ts';
import { firstRow } from './first-row.ts';
import { type Note, renderPressure, type SortKey, sortKeys } from './view.ts';

const MOST_NOTES = 100;

/** The live view on the terminal. It is shown from its construction until it is disposed of. */
export class PressureLive implements Disposable {
  #watch: MemoryWatch | undefined;
  readonly #paint: Paint;
  readonly #onQuit: () => void;
  readonly #screen: Screen;
  readonly #notes: { note: Note; repeats: string | undefined; times: number }[] = [];
  #sort: SortKey = 'p';
  #offset = 0;

  /** Draws at once with values from /proc, because opening the monitor can take seconds. */
  constructor(paint: Paint, onQuit: () => void) {
    this.#paint = paint;
    this.#onQuit = onQuit;
    this.#screen = new Screen({ onKey: (key) => this.#onKey(key), onResize: () => this.draw() });
    this.#screen.open();
    this.draw();
  }

  /** From now on the view shows the values of this monitor. */
  attach(watch: MemoryWatch): void {
    this.#watch = watch;
  }

  /** Adds a message of oomscope itself to the list of events. */
  say(message: string): void {
    this.note({ time: new Date().toISOString(), severity: 'warning', message });
  }

  /**
   * Adds an event.
   *
   * @param repeats a key; of several events with the same key only the last is shown, with their number
   */
  note(note: Note, repeats?: string): void {
    const before = repeats === undefined ? -1 : this.#notes.findIndex((each) => each.repeats === repeats);
    const [same] = before < 0 ? [] : this.#notes.splice(before, 1);
    this.#notes.push({ note, repeats, times: (same?.times ?? 0) + 1 });
    if (this.#notes.length > MOST_NOTES) this.#notes.shift();
  }

  draw(): void {
    const { columns, rows } = this.#screen;
    const first = this.#watch ? undefined : firstRow();
    const view = {
      node: hostname(),
      source: this.#watch ? (this.#watch.bpf ? 'BPF' : 'PSI') : 'starting',
      rows: first ? [first.row] : (this.#watch?.rows() ?? []),
      swap: first?.swap ?? this.#watch?.swap() ?? { totalBytes: 0, freeBytes: 0 },
      events: this.#notes.map(({ note, times }) =>
        times === 1 ? note : { ...note, message: `${note.message} (${times} times)` },
      ),
      sort: this.#sort,
      offset: this.#offset,
      now: new Date(),
    };
    this.#offset = Math.min(this.#offset, Math.max(0, view.rows.length - 2));
    this.#screen.draw(renderPressure(view, columns, rows, this.#paint));
  }

  [Symbol.dispose](): void {
    this.#screen.close();
  }

  #onKey(key: Key): void {
    const scroll = { up: -1, down: 1, 'page-up': -10, 'page-down': 10, home: -1e9, end: 1e9 }[key];
    if (key === 'q' || key === 'ctrl-c' || key === 'escape') this.#onQuit();
    else if (Object.hasOwn(sortKeys, key)) this.#sort = key as SortKey;
    else if (scroll !== undefined) this.#offset = Math.max(0, this.#offset + scroll);
    else return;
    this.draw();
  }
}
