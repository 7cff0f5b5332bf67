/**
 * Draws a full screen of text on a terminal with ANSI escape sequences. Only changed lines are written. The terminal is
 * restored when the process ends, unless SIGKILL ends it.
 */
import { writeSync } from 'node:fs';
import type { ReadStream, WriteStream } from 'node:tty';
import { terminalColumns, terminalRows } from './terminal-size.ts';

/** The name of a key: "q", "up", "enter", "ctrl-c". */
export type Key = string;

export interface ScreenOptions {
  input?: ReadStream;
  output?: WriteStream;
  onKey: (key: Key) => void;
  /** Called when the size has changed and when the process continues after Ctrl-Z. The caller must draw again. */
  onResize: () => void;
}

const ENTER = '\x1b[?1049h\x1b[?25l\x1b[?7l'; // the alternate screen, no cursor, no wrapping
// The screen is cleared first: tmux keeps lines of a screen that was resized in between.
const LEAVE = '\x1b[2J\x1b[?7h\x1b[?25h\x1b[?1049l';

export class Screen implements Disposable {
  readonly #input: ReadStream;
  readonly #output: WriteStream;
  readonly #options: ScreenOptions;
  #shown: string[] = [];
  #open = false;

  constructor(options: ScreenOptions) {
    this.#options = options;
    this.#input = options.input ?? process.stdin;
    this.#output = options.output ?? process.stdout;
  }

  /** Are stdin and stdout a terminal? */
  static possible(): boolean {
    return process.stdin.isTTY === true && process.stdout.isTTY === true;
  }

  get columns(): number {
    return terminalColumns(this.#output);
  }

  get rows(): number {
    return terminalRows(this.#output);
  }

  open(): void {
    if (this.#open) return;
    this.#enter();
    this.#input.on('data', this.#onData);
    this.#output.on('resize', this.#onResize);
    process.on('SIGCONT', this.#onContinue);
    process.on('exit', this.#restore);
  }

  /** Shows these lines, which may contain colours. Lines are cut at the right edge; the remaining rows are empty. */
  draw(lines: readonly string[]): void {
    if (!this.#open) return;
    let out = '';
    for (let row = 0; row < this.rows; row++) {
      const line = lines[row] ?? '';
      if (this.#shown[row] === line) continue;
      this.#shown[row] = line;
      out += `\x1b[${row + 1};1H\x1b[2K${line}\x1b[0m`;
    }
    if (out !== '') this.#write(out);
  }

  close(): void {
    if (!this.#open) return;
    this.#input.off('data', this.#onData);
    this.#output.off('resize', this.#onResize);
    process.off('SIGCONT', this.#onContinue);
    process.off('exit', this.#restore);
    this.#restore();
    this.#input.pause();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #enter(): void {
    this.#open = true;
    this.#shown = [];
    this.#input.setRawMode(true);
    this.#input.resume();
    this.#write(`${ENTER}\x1b[2J`);
  }

  readonly #restore = () => {
    if (!this.#open) return;
    this.#open = false;
    this.#write(LEAVE);
    try {
      this.#input.setRawMode(false);
    } catch {
      // the terminal is gone
    }
  };

  readonly #onData = (bytes: Buffer) => {
    for (const key of keysOf(bytes.toString('latin1'))) {
      if (key === 'ctrl-z') this.#suspend();
      else this.#options.onKey(key);
    }
  };

  readonly #onResize = () => {
    this.#shown = [];
    if (this.#open) this.#write('\x1b[2J');
    this.#options.onResize();
  };

  /** In raw mode the terminal does not stop the process on Ctrl-Z, so the process stops itself. */
  #suspend(): void {
    this.#restore();
    process.kill(process.pid, 'SIGSTOP');
  }

  readonly #onContinue = () => {
    if (this.#open) this.#restore();
    this.#enter();
    this.#options.onResize();
  };

  /** Writes synchronously, because the process may exit immediately afterwards. */
  #write(text: string): void {
    const bytes = Buffer.from(text);
    for (let at = 0; at < bytes.length; ) {
      try {
        at += writeSync((this.#output as unknown as { fd: number }).fd, bytes, at);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') return; // EIO: the terminal is gone, and SIGHUP follows
      }
    }
  }
}

const sequences: Record<string, Key> = {
  '\x1b[A': 'up',
  '\x1b[B': 'down',
  '\x1b[C': 'right',
  '\x1b[D': 'left',
  '\x1b[5~': 'page-up',
  '\x1b[6~': 'page-down',
  '\x1b[H': 'home',
  '\x1b[F': 'end',
  '\r': 'enter',
  '\t': 'tab',
  '\x1b': 'escape',
};

// A control sequence (CSI or SS3), or one character.
// biome-ignore lint/suspicious/noControlCharactersInRegex: keys are control characters
const stroke = /\x1b(?:\[[0-9;?]*[ -/]*[@-~]|O[A-Z])?|./gs;

/** Returns the keys in the text that the terminal sent. Unknown sequences are left out. */
export function keysOf(text: string): Key[] {
  const pressed = text.match(stroke) ?? [];
  return pressed.flatMap((key) => {
    const named = sequences[key.replace('\x1bO', '\x1b[')];
    if (named !== undefined) return [named];
    const code = key.charCodeAt(0);
    if (key.length > 1) return [];
    return [code < 0x20 ? `ctrl-${String.fromCharCode(code + 0x60)}` : key];
  });
}
