/**
 * The undo file: what was found, written down before it is changed. It is added to, line by line, so that one that is killed
 * at any moment leaves a file that says enough: a line that was cut off is of a change that was never made. It need not
 * reach the disk for the values of processes, which end with the machine; only what is installed in files must.
 */
import {
  closeSync,
  constants,
  existsSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { OomscopeError } from '../model/error.ts';
import { loadNative } from '../native/addon.ts';
import { failure } from '../native/system-call.ts';

export const DEFAULT_JOURNAL = '/var/lib/oomscope/protect.jsonl';

/** A value of a process that was changed, or was to be. */
export interface AdjLine {
  kind: 'oom_score_adj';
  boot_id: string;
  time: string;
  pid: number;
  start_ticks: number;
  comm: string;
  profile: string;
  before: number;
  after: number;
}

/** A file that was installed, or was to be. */
export interface DropInLine {
  kind: 'drop_in';
  time: string;
  profile: string;
  path: string;
  text: string;
}

export type JournalLine = AdjLine | DropInLine;

export class Journal implements Disposable {
  readonly path: string;
  readonly #fd: number;

  private constructor(path: string, fd: number) {
    this.path = path;
    this.#fd = fd;
  }

  /**
   * For this process alone, until it is closed.
   *
   * @throws OomscopeError USAGE: another one has it; BAD_INPUT: it is not one that can be trusted; NOT_PERMITTED, OUTPUT
   */
  static open(path: string): Journal {
    if (path === DEFAULT_JOURNAL) tryTo(path, () => mkdirSync(dirname(path), { recursive: true, mode: 0o700 }));
    const { O_RDWR, O_CREAT, O_APPEND, O_NOFOLLOW } = constants;
    for (;;) {
      const fd = tryTo(path, () => openSync(path, O_RDWR | O_CREAT | O_APPEND | O_NOFOLLOW, 0o600));
      try {
        checkOwn(path, fd);
        const code = failure(loadNative().lockFile(fd));
        if (code !== undefined) {
          throw new OomscopeError('USAGE', `${path} is in use (${code}): end the other \`oomscope protect\` first.`);
        }
        // Whoever had it may have put another in its place, or removed it, before this one had the lock.
        if (statSync(path, { throwIfNoEntry: false })?.ino === fstatSync(fd).ino) return new Journal(path, fd);
        closeSync(fd);
      } catch (error) {
        closeSync(fd);
        throw error;
      }
    }
  }

  /** As it is now, without waiting for whoever has it. Empty where there is none. @throws OomscopeError BAD_INPUT */
  static peek(path: string): JournalLine[] {
    return parse(path, existsSync(path) ? tryTo(path, () => readFileSync(path, 'utf8')) : '');
  }

  /** @throws OomscopeError BAD_INPUT */
  read(): JournalLine[] {
    return parse(this.path, readFileSync(this.path, 'utf8'));
  }

  /** All of it, or nothing. @param lasting it must outlive the machine. @throws OomscopeError OUTPUT */
  append(lines: readonly JournalLine[], lasting = false): void {
    if (lines.length === 0) return;
    const { size } = fstatSync(this.#fd);
    const last = Buffer.alloc(1);
    const cut = size > 0 && readSync(this.#fd, last, 0, 1, size - 1) === 1 && last[0] !== 0x0a;
    const bytes = Buffer.from(`${cut ? '\n' : ''}${lines.map((line) => `${JSON.stringify(line)}\n`).join('')}`);
    tryTo(this.path, () => {
      try {
        for (let at = 0; at < bytes.length; ) at += writeSync(this.#fd, bytes, at);
        if (lasting) fsyncSync(this.#fd);
      } catch (error) {
        ftruncateSync(this.#fd, size);
        throw error;
      }
    });
  }

  /** What is still to be undone. The file goes with the last line. Nothing can be added any more. */
  replace(lines: readonly JournalLine[]): void {
    if (lines.length === 0) {
      rmSync(this.path, { force: true });
      return;
    }
    const next = `${this.path}.new`;
    rmSync(next, { force: true });
    writeFileSync(next, lines.map((line) => `${JSON.stringify(line)}\n`).join(''), { mode: 0o600, flag: 'wx' });
    renameSync(next, this.path);
  }

  close(): void {
    closeSync(this.#fd);
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/** What it says is written into other processes: nobody else may have written it. */
function checkOwn(path: string, fd: number): void {
  const { uid, mode } = fstatSync(fd);
  const file = (mode & constants.S_IFMT) === constants.S_IFREG;
  if (file && uid === process.geteuid?.() && (mode & 0o077) === 0) return;
  const got = file ? `one of uid ${uid} with mode ${(mode & 0o777).toString(8)}` : 'no file';
  throw new OomscopeError('BAD_INPUT', `${path}: expected a file of our own with mode 600, got ${got}. Name another.`);
}

function parse(path: string, text: string): JournalLine[] {
  const lines = text.split('\n');
  return lines.flatMap((line, i) => {
    if (line === '') return [];
    const value = json(line);
    if (isLine(value)) return [value];
    // Cut off when somebody was killed: its change was not made.
    if (value === undefined) return [];
    throw new OomscopeError('BAD_INPUT', `${path}:${i + 1}: expected a line of \`oomscope protect\`, got another.`);
  });
}

function json(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

function isLine(value: unknown): value is JournalLine {
  if (typeof value !== 'object' || value === null) return false;
  const line = value as Partial<AdjLine> & { path?: unknown; text?: unknown };
  if ((line.kind as string) === 'drop_in') return typeof line.path === 'string' && typeof line.text === 'string';
  const isAdj = (adj: unknown) => Number.isInteger(adj) && Math.abs(adj as number) <= 1000;
  const sound = Number.isSafeInteger(line.pid) && (line.pid as number) > 1 && Number.isSafeInteger(line.start_ticks);
  return line.kind === 'oom_score_adj' && sound && isAdj(line.before) && isAdj(line.after);
}

function tryTo<T>(path: string, act: () => T): T {
  try {
    return act();
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    const denied = code === 'EACCES' || code === 'EPERM';
    const message = `The undo file ${path} cannot be had: ${code}. Name another with --state FILE.`;
    throw new OomscopeError(denied ? 'NOT_PERMITTED' : 'OUTPUT', message, { cause });
  }
}
