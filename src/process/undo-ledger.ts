/**
 * The undo ledger: every change of this program that has to be undone, written down before it is made, so that a later run
 * can undo it after a crash. The guard and `protect` each keep one.
 *
 * It is a file of JSON Lines that one process has at a time (flock). A line is added in one write, and its change is made
 * after that: a line that was cut off by a crash is of a change that was never made. The lines need not reach the disk for
 * what ends with the machine.
 */
import { closeSync, existsSync, fstatSync, fsyncSync, ftruncateSync, renameSync, rmSync, writeSync } from 'node:fs';
import { bootId } from '../linux/boot-id.ts';
import { startTicksOf } from '../linux/process-reader.ts';
import { readRegularFile } from '../linux/regular-file.ts';
import { OomscopeError } from '../model/error.ts';
import { lockedFile, onFile } from './locked-file.ts';
import { type Account, type Change, isEntry, keyOf, type UndoEntry, type Undone, undoAccount } from './undo-entry.ts';

/** An entry was undone, or never made. */
interface Settled {
  kind: 'settled';
  key: string;
}

export interface UndoLedgerOptions {
  /** Whether an entry of the file may be about this path. By default none may. */
  mayWrite?: (path: string) => boolean;
}

/** The file is written anew, without what is settled, when it has this many more lines than there are entries. */
const SPARE_LINES = 1000;

export class UndoLedger implements Disposable {
  /** undefined: nothing is written down, and a crash leaves the changes. */
  readonly path: string | undefined;
  readonly #accounts: Map<string, Account>;
  readonly #bootId = bootId() ?? '';
  #fd: number | undefined;
  #lines = 0;

  private constructor(path?: string, fd?: number, accounts = new Map<string, Account>()) {
    this.path = path;
    this.#fd = fd;
    this.#accounts = accounts;
    this.#lines = accounts.size;
  }

  /** A ledger without a file. */
  static inMemory(): UndoLedger {
    return new UndoLedger();
  }

  /**
   * For this process alone, until it is closed. Entries of an earlier boot are dropped, but for files that outlive one.
   *
   * @throws OomscopeError USAGE: another process has it; BAD_INPUT: the file is damaged, or not one of oomscope's, or other
   *   users could have written it; NOT_PERMITTED, OUTPUT
   */
  static open(path: string, options: UndoLedgerOptions = {}): UndoLedger {
    const fd = lockedFile(path);
    try {
      const text = textOf(path);
      const lines = parse(path, text, options);
      const whole = text.slice(0, text.lastIndexOf('\n') + 1);
      if (whole.length < text.length) onFile(path, () => ftruncateSync(fd, Buffer.byteLength(whole)));
      return new UndoLedger(path, fd, accountsOf(lines));
    } catch (error) {
      closeSync(fd);
      throw error;
    }
  }

  /** What the file says, without waiting for the process that has it. Empty where there is none. @throws as open() */
  static peek(path: string, options: UndoLedgerOptions = {}): Account[] {
    const text = existsSync(path) ? textOf(path) : '';
    return [...accountsOf(parse(path, text, options)).values()];
  }

  /** The changes that are not undone, one account for each process and file, in the order of their first changes. */
  accounts(): Account[] {
    return [...this.#accounts.values()];
  }

  /** Before a change is made. All of them are written down, or none. @throws OomscopeError OUTPUT */
  record(changes: readonly Change[]): void {
    const time = new Date().toISOString();
    const entries = changes.map((change): UndoEntry => {
      if (change.kind === 'oom_score_adj') return { ...change, boot_id: this.#bootId, time };
      const { lasting, ...file } = change;
      return { ...file, boot_id: lasting ? null : this.#bootId, time };
    });
    this.#append(
      entries,
      entries.some(({ boot_id }) => boot_id === null),
    );
    for (const entry of entries) add(this.#accounts, entry);
    this.#compact();
  }

  /** The change was not made, or needs no undoing any more. Never throws. */
  settle(key: string): void {
    if (!this.#accounts.delete(key)) return;
    try {
      if (this.#accounts.size === 0) this.#clear();
      else this.#append([{ kind: 'settled', key }], false);
    } catch {
      // The file then says too much: a later run finds the value changed, and leaves it.
    }
  }

  /** Undoes one change. undefined: there is none. */
  undo(key: string): Undone | undefined {
    const account = this.#accounts.get(key);
    if (!account) return undefined;
    const undone = undoAccount(account);
    if (undone.outcome !== 'refused') this.settle(key);
    return undone;
  }

  undoAll(): Undone[] {
    return [...this.#accounts.keys()].flatMap((key) => this.undo(key) ?? []);
  }

  /** The file is removed where nothing is left in it. What is left, a later run can undo. Idempotent. */
  close(): void {
    if (this.#fd === undefined) return;
    if (this.#accounts.size === 0 && this.path !== undefined) rmSync(this.path, { force: true });
    closeSync(this.#fd);
    this.#fd = undefined;
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #append(lines: readonly (UndoEntry | Settled)[], lasting: boolean): void {
    const { path } = this;
    const fd = this.#fd;
    if (fd === undefined || path === undefined || lines.length === 0) return;
    const { size } = fstatSync(fd);
    onFile(path, () => {
      try {
        writeAll(fd, lines);
        if (lasting) fsyncSync(fd);
      } catch (error) {
        ftruncateSync(fd, size);
        throw error;
      }
    });
    this.#lines += lines.length;
  }

  #clear(): void {
    if (this.#fd !== undefined) ftruncateSync(this.#fd, 0);
    this.#lines = 0;
  }

  /** Writes the file anew, without what is settled and without processes that have exited. */
  #compact(): void {
    const { path } = this;
    if (path === undefined || this.#fd === undefined || this.#lines < 2 * this.#accounts.size + SPARE_LINES) return;
    for (const [key, { entry }] of this.#accounts) {
      if (entry.kind === 'oom_score_adj' && startTicksOf(entry.pid) !== entry.start_ticks) this.#accounts.delete(key);
    }
    const lines = this.accounts().flatMap(({ entry, written }) =>
      [...written].map((each): UndoEntry => ({ ...entry, written: each })),
    );
    const next = replacement(path, lines);
    if (next === undefined) return; // the old one says the same; the next line tries again
    closeSync(this.#fd);
    this.#fd = next;
    this.#lines = lines.length;
  }
}

/**
 * Replaces a file. The new one is locked before it has the name: at any moment another process finds a locked file.
 *
 * @returns its descriptor; undefined: it cannot be written, and the old one is still there
 */
function replacement(path: string, lines: readonly UndoEntry[]): number | undefined {
  const next = `${path}.new`;
  let fd: number | undefined;
  try {
    rmSync(next, { force: true });
    fd = lockedFile(next);
    writeAll(fd, lines);
    renameSync(next, path);
    return fd;
  } catch {
    if (fd !== undefined) closeSync(fd);
    return undefined;
  }
}

function accountsOf(lines: readonly (UndoEntry | Settled)[]): Map<string, Account> {
  const accounts = new Map<string, Account>();
  const now = bootId();
  for (const line of lines) {
    if (line.kind === 'settled') accounts.delete(line.key);
    else if (line.boot_id === null || line.boot_id === now) add(accounts, line);
  }
  return accounts;
}

function add(accounts: Map<string, Account>, entry: UndoEntry): void {
  const key = keyOf(entry);
  const known = accounts.get(key);
  if (!known) {
    accounts.set(key, { entry, written: new Set([entry.written]) });
    return;
  }
  known.written.add(entry.written);
  known.entry = { ...entry, before: known.entry.before } as UndoEntry;
}

/** Without the last line where it was cut off. */
function parse(path: string, text: string, { mayWrite = () => false }: UndoLedgerOptions): (UndoEntry | Settled)[] {
  const lines = text.split('\n');
  const last = lines.pop() ?? '';
  const parsed = lines.map((line, i) => {
    const value = json(line);
    if (isSettled(value) || isEntry(value, mayWrite)) return value;
    throw foreign(path, i, value === undefined ? 'one that is no JSON' : 'another');
  });
  if (!isCutLine(last)) throw foreign(path, parsed.length, 'one without an end');
  return parsed;
}

/** Whether a crash can have left this at the end: a part of an entry, or the zeros of a block that was never written. */
const isCutLine = (text: string) => START.startsWith(text.slice(0, START.length)) || /^\0+$/.test(text);
const START = '{"kind":"';

function foreign(path: string, index: number, got: string): OomscopeError {
  return new OomscopeError(
    'BAD_INPUT',
    `${path}:${index + 1}: expected a line of oomscope's undo file, got ${got}. Move the file away, or choose another with --state-file.`,
  );
}

function json(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

function isSettled(value: unknown): value is Settled {
  const { kind, key } = (value ?? {}) as Partial<Settled>;
  return kind === 'settled' && typeof key === 'string';
}

/** A ledger of a guard on a large machine has some 100 KiB. */
const MOST_BYTES = 16 * 1024 ** 2;

/** The whole file, which the user names: it may be one of /proc that has no end, or waits for content. */
function textOf(path: string): string {
  const { bytes, problem } = readRegularFile(path, MOST_BYTES);
  if (problem === undefined) return bytes.toString();
  const code = problem.startsWith('permission denied') ? 'NOT_PERMITTED' : 'BAD_INPUT';
  throw new OomscopeError(code, `${path}: expected an undo file: ${problem}. Choose another with --state-file.`);
}

function writeAll(fd: number, lines: readonly object[]): void {
  const bytes = Buffer.from(lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
  for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at);
}
