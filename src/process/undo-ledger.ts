/**
 * The undo ledger: the list of all changes by this program that must be undone later. Each is recorded before it is
 * made, so that a later run can undo it after a crash. Each guard has a ledger (see ledger-files.ts), and `protect` has one.
 *
 * The ledger is a file of JSON Lines that one process at a time has locked (flock). A change is made only after its
 * line was written completely. So an incomplete last line, left by a crash, belongs to a change that was never made.
 * Changes that do not survive a reboot need no fsync.
 */
import { closeSync, existsSync, fstatSync, fsyncSync, ftruncateSync, renameSync, rmSync, writeSync } from 'node:fs';
import { bootId } from '../linux/boot-id.ts';
import { startTicksOf } from '../linux/process-reader.ts';
import { readRegularFile } from '../linux/regular-file.ts';
import { OomscopeError } from '../model/error.ts';
import { lockedFile, lockedFileIfFree, onFile } from './locked-file.ts';
import { type Account, type Change, isEntry, keyOf, type UndoEntry, type Undone, undoAccount } from './undo-entry.ts';

/** A line that says that an entry needs no undoing: the change was undone, or was never made. */
interface Settled {
  kind: 'settled';
  key: string;
}

export interface UndoLedgerOptions {
  /** Whether an entry of the file may be about this path. By default, no path is allowed. */
  mayWrite?: (path: string) => boolean;
}

/** When the file has this many more lines than entries, it is rewritten without the settled entries. */
const SPARE_LINES = 1000;

export class UndoLedger implements Disposable {
  /** The path of the file; undefined: the ledger has no file, and the changes remain after a crash. */
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
   * Opens the ledger and locks it until it is closed. Entries of an earlier boot are dropped, except those about files
   * that survive a reboot.
   *
   * @throws OomscopeError USAGE: another process has locked it; BAD_INPUT: the file is damaged, or is not an undo file,
   *   or other users could have written it; NOT_PERMITTED, OUTPUT
   */
  static open(path: string, options: UndoLedgerOptions = {}): UndoLedger {
    return UndoLedger.#opened(path, lockedFile(path), options);
  }

  /** As open(). @returns undefined: another process has locked the file. @throws OomscopeError BAD_INPUT, NOT_PERMITTED, OUTPUT */
  static openIfFree(path: string, options: UndoLedgerOptions = {}): UndoLedger | undefined {
    const fd = lockedFileIfFree(path);
    return fd === undefined ? undefined : UndoLedger.#opened(path, fd, options);
  }

  static #opened(path: string, fd: number, options: UndoLedgerOptions): UndoLedger {
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

  /**
   * Reads the entries of a file without its lock, even while another process has it locked. Empty if the file does not
   * exist. @throws as open()
   */
  static peek(path: string, options: UndoLedgerOptions = {}): Account[] {
    const text = existsSync(path) ? textOf(path) : '';
    return [...accountsOf(parse(path, text, options)).values()];
  }

  /** The changes that are not undone yet, one account for each process and file, in the order of their first changes. */
  accounts(): Account[] {
    return [...this.#accounts.values()];
  }

  /**
   * Records changes; call it before they are made. Either all of them are recorded, or none. @throws OomscopeError
   * OUTPUT
   */
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

  /** Records that a change was not made, or no longer needs undoing. Never throws. */
  settle(key: string): void {
    if (!this.#accounts.delete(key)) return;
    try {
      if (this.#accounts.size === 0) this.#clear();
      else this.#append([{ kind: 'settled', key }], false);
    } catch {
      // The file then still lists a change that is already undone. A later run sees that the value is a different one,
      // and does not change it.
    }
  }

  /** Undoes all changes with a key. @param others as for undoAll() @returns undefined: there are none */
  undo(key: string, others: ReadonlyMap<string, string> = new Map()): Undone | undefined {
    const account = this.#accounts.get(key);
    if (!account) return undefined;
    const undone = undoAccount(account, (other) => this.#accounts.has(other) || others.has(other));
    if (undone.outcome !== 'refused') this.settle(key);
    return undone;
  }

  /** @param others changes of running processes, by key: these are not undone here, and stay in the ledger */
  undoAll(others: ReadonlyMap<string, string> = new Map()): Undone[] {
    return [...this.#accounts].flatMap(([key, { entry }]) => {
      const by = others.get(key);
      if (by === undefined) return this.undo(key, others) ?? [];
      return [{ entry, outcome: 'refused' as const, detail: `${by} has changed it since, and still runs` }];
    });
  }

  /**
   * Removes the file if it has no entries left, and unlocks it. A later run can undo the entries that are left.
   * Idempotent.
   */
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

  /** Rewrites the file without settled entries, and without processes that have exited and that have no heirs. */
  #compact(): void {
    const { path } = this;
    if (path === undefined || this.#fd === undefined || this.#lines < 2 * this.#accounts.size + SPARE_LINES) return;
    for (const [key, { entry }] of this.#accounts) {
      if (entry.kind !== 'oom_score_adj' || entry.at_ticks !== undefined) continue;
      if (startTicksOf(entry.pid) !== entry.start_ticks) this.#accounts.delete(key);
    }
    const lines = this.accounts().flatMap(({ entry, written }) =>
      [...written].map((each): UndoEntry => ({ ...entry, written: each })),
    );
    const next = replacement(path, lines);
    if (next === undefined) return; // the old file has the same entries; the next line tries again
    closeSync(this.#fd);
    this.#fd = next;
    this.#lines = lines.length;
  }
}

/**
 * Replaces the ledger's file. The new file is locked before it gets the name, so that another process always finds a
 * locked file.
 *
 * @returns the descriptor of the new file; undefined: the new file cannot be written, and the old file is still there
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

/** Parses the file. An incomplete last line is ignored. */
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

/**
 * Whether a crash can have left this text at the end of the file: a part of an entry, or the zeros of a block that was
 * never written.
 */
const isCutLine = (text: string) => START.startsWith(text.slice(0, START.length)) || /^\0+$/.test(text);
const START = '{"kind":"';

function foreign(path: string, index: number, got: string): OomscopeError {
  return new OomscopeError(
    'BAD_INPUT',
    `${path}:${index + 1}: expected a line of oomscope's undo file, got ${got}. Move the file away, or choose another file with --state-file.`,
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

/** Limit of the size of the file. The ledger of a guard on a large machine has about 100 KiB. */
const MOST_BYTES = 16 * 1024 ** 2;

/**
 * Reads the whole file. The user chooses the path, which may be a file without an end, or one whose read blocks; such
 * files are refused.
 */
function textOf(path: string): string {
  const { bytes, problem } = readRegularFile(path, MOST_BYTES);
  if (problem === undefined) return bytes.toString();
  const code = problem.startsWith('permission denied') ? 'NOT_PERMITTED' : 'BAD_INPUT';
  throw new OomscopeError(code, `${path}: expected an undo file: ${problem}. Choose another file with --state-file.`);
}

function writeAll(fd: number, lines: readonly object[]): void {
  const bytes = Buffer.from(lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
  for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at);
}
