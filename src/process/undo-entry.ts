/**
 * An entry of an undo ledger: the value of a file before a change, and the value that this program wrote. A change is
 * undone only if the file still has the value that this program wrote. A value that another program has written since
 * is not changed.
 */
import { readFileSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, isAbsolute, normalize } from 'node:path';
import type { OomscopeError } from '../model/error.ts';
import { restoreHeirs } from './heirs.ts';
import { ScoreAdjFile } from './oom-score-adj-file.ts';

interface Common {
  /**
   * The id of the boot in which the change was made; after a reboot there is nothing to undo. null: the file survives a
   * reboot.
   */
  boot_id: string | null;
  /** Time of the change, RFC 3339. */
  time: string;
  /** The reason for the change, as text for messages: the name of a profile or a step. */
  by: string;
  written: string;
}

/** The oom_score_adj of a process. */
export interface ScoreEntry extends Common {
  kind: 'oom_score_adj';
  boot_id: string;
  pid: number;
  start_ticks: number;
  /** The name of the process, for messages. Absent if it is unknown. */
  comm?: string;
  /** Its process group. Absent if it is unknown. */
  pgid?: number;
  /** Its memory cgroup. Absent if it is unknown. */
  cgroup?: string;
  /** The pids of its ancestors at the change, up to init. Absent if no heir is looked for. */
  ancestors?: number[];
  /** The uptime at the change, in ticks. If present, undoing the change also restores what has inherited the value. */
  at_ticks?: number;
  before: string;
}

/** The entry of a change of a file's content. */
export interface FileEntry extends Common {
  kind: 'file';
  path: string;
  /** The content before the change. null: the file did not exist. */
  before: string | null;
}

export type UndoEntry = ScoreEntry | FileEntry;
/** A change to record. `UndoLedger.record()` adds the id of the boot and the time. */
export type Change = Omit<ScoreEntry, 'boot_id' | 'time'> | (Omit<FileEntry, 'boot_id' | 'time'> & { lasting?: true });

/** All changes of one file (or of one process) that are not undone yet. */
export interface Account {
  /** The changes combined: `before` of the first change, and `written` of the last one. */
  entry: UndoEntry;
  /** All values that were written. */
  written: Set<string>;
}

/**
 * - `restored`: the file has the value from before the change again.
 * - `untouched`: the file already had that value, because the change was never made, or another program has undone it.
 * - `changed`: the file has a value that this program did not write, and is not changed.
 * - `gone`: the process has exited, or the file was removed.
 * - `refused`: the kernel did not allow the change, so the entry remains in the ledger.
 */
export type UndoOutcome = 'restored' | 'untouched' | 'changed' | 'gone' | 'refused';

export interface Undone {
  entry: UndoEntry;
  outcome: UndoOutcome;
  /** Why the value was not restored; null: the outcome says everything. */
  detail: string | null;
}

/** The key of the file or process that a change is about: changes of the same file have the same key. */
export const keyOf = (entry: UndoEntry | Change) =>
  entry.kind === 'file' ? entry.path : processKey(entry.pid, entry.start_ticks);

export const processKey = (pid: number, startTicks: number) => `${pid}:${startTicks}`;

/** @param isRecorded whether there is another change with this key, which will be undone by itself */
export function undoAccount(account: Account, isRecorded: (key: string) => boolean = () => false): Undone {
  const undone = undoOwn(account);
  const { entry, written } = account;
  if (entry.kind === 'oom_score_adj' && undone.outcome !== 'refused') {
    restoreHeirs(entry, { written, isChanged: ({ pid, startTicks }) => isRecorded(processKey(pid, startTicks)) });
  }
  return undone;
}

function undoOwn({ entry, written }: Account): Undone {
  const outcome = (name: UndoOutcome, detail: string | null = null): Undone => ({ entry, outcome: name, detail });
  try {
    const now = read(entry);
    if (now === entry.before) return outcome('untouched');
    if (now === null) return outcome('gone');
    if (!written.has(now))
      return outcome('changed', entry.boot_id === null ? 'another program has edited it' : `it reads ${now} now`);
    restore(entry);
    return outcome('restored');
  } catch (error) {
    const { code } = error as OomscopeError | NodeJS.ErrnoException;
    if (code === 'PROCESS_GONE' || code === 'ENOENT' || code === 'ENODEV') return outcome('gone');
    return outcome('refused', (error as Error).message);
  }
}

function read(entry: UndoEntry): string | null {
  if (entry.kind === 'file') return readText(entry.path);
  using file = ScoreAdjFile.open({ pid: entry.pid, startTicks: entry.start_ticks });
  return String(file.read());
}

function restore(entry: UndoEntry): void {
  if (entry.kind === 'oom_score_adj') {
    using file = ScoreAdjFile.open({ pid: entry.pid, startTicks: entry.start_ticks });
    file.write(Number(entry.before));
  } else if (entry.before !== null) {
    writeFileSync(entry.path, entry.before);
  } else {
    rmSync(entry.path);
    try {
      rmdirSync(dirname(entry.path));
    } catch {
      // the directory contains other files
    }
  }
}

/** The text of a file, without the newline with which the kernel's files end. null: the file does not exist. */
export function readText(path: string): string | null {
  try {
    return readFileSync(path, 'utf8').trimEnd();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENODEV') return null;
    throw error;
  }
}

/**
 * Whether a value read from a ledger is a valid entry. @param mayWrite whether an entry of this ledger may be about a
 * path
 */
export function isEntry(value: unknown, mayWrite: (path: string) => boolean): value is UndoEntry {
  if (typeof value !== 'object' || value === null) return false;
  const { kind, boot_id, written, before, path, pid, start_ticks, cgroup, ancestors } = value as Record<
    keyof ScoreEntry | 'path',
    unknown
  >;
  if (typeof written !== 'string') return false;
  if (kind === 'file') {
    const known = typeof path === 'string' && isAbsolute(path) && normalize(path) === path && mayWrite(path);
    return (
      known && (before === null || typeof before === 'string') && (boot_id === null || typeof boot_id === 'string')
    );
  }
  const isProcess = Number.isSafeInteger(pid) && (pid as number) > 1 && Number.isSafeInteger(start_ticks);
  const heirs = (cgroup === undefined || typeof cgroup === 'string') && (ancestors === undefined || isPids(ancestors));
  const known = kind === 'oom_score_adj' && typeof boot_id === 'string' && isProcess && heirs;
  return known && isAdj(before) && isAdj(written);
}

const isPids = (list: unknown) => Array.isArray(list) && list.every((pid) => Number.isSafeInteger(pid));

const isAdj = (text: unknown) => typeof text === 'string' && /^-?\d{1,4}$/.test(text) && Math.abs(Number(text)) <= 1000;
