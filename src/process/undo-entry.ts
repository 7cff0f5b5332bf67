/**
 * An entry of an undo ledger: what was there before a change, and what this program wrote. A change is undone only where
 * the file still reads what this program wrote; a value that another program has written since is left alone.
 */
import { readFileSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, isAbsolute, normalize } from 'node:path';
import type { OomscopeError } from '../model/error.ts';
import { ScoreAdjFile } from './oom-score-adj-file.ts';

interface Common {
  /** The boot that the change was made in: a later boot has nothing to undo. null: the file outlives a reboot. */
  boot_id: string | null;
  /** RFC 3339. */
  time: string;
  /** What asked for the change, for people: a profile, a step. */
  by: string;
  written: string;
}

/** The oom_score_adj of a process. */
export interface ScoreEntry extends Common {
  kind: 'oom_score_adj';
  boot_id: string;
  pid: number;
  start_ticks: number;
  /** For people, where it is known. */
  comm?: string;
  before: string;
}

/** The content of a file. */
export interface FileEntry extends Common {
  kind: 'file';
  path: string;
  /** null: there was no file. */
  before: string | null;
}

export type UndoEntry = ScoreEntry | FileEntry;
/** The present boot and time are filled in. */
export type Change = Omit<ScoreEntry, 'boot_id' | 'time'> | (Omit<FileEntry, 'boot_id' | 'time'> & { lasting?: true });

/** All changes of one file that are not undone yet. */
export interface Account {
  /** From the value that was there before the first change, to the one that was written last. */
  entry: UndoEntry;
  /** Every value that was written. */
  written: Set<string>;
}

/**
 * - `restored`: it reads what it read before the change.
 * - `untouched`: it did so already: the change was never made, or was undone by another program.
 * - `changed`: it reads another value than this program wrote, and is left alone.
 * - `gone`: the process has exited, or the file was removed.
 * - `refused`: the kernel did not allow it: the entry stays in the ledger.
 */
export type UndoOutcome = 'restored' | 'untouched' | 'changed' | 'gone' | 'refused';

export interface Undone {
  entry: UndoEntry;
  outcome: UndoOutcome;
  /** Why it was not restored. */
  detail: string | null;
}

/** Entries with the same key are about the same file. */
export const keyOf = (entry: UndoEntry | Change) =>
  entry.kind === 'file' ? entry.path : processKey(entry.pid, entry.start_ticks);

export const processKey = (pid: number, startTicks: number) => `${pid}:${startTicks}`;

export function undoAccount({ entry, written }: Account): Undone {
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
      // other files are in it
    }
  }
}

/** Without the newline that files of the kernel end with. null: there is no such file. */
export function readText(path: string): string | null {
  try {
    return readFileSync(path, 'utf8').trimEnd();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENODEV') return null;
    throw error;
  }
}

/** Whether a value read from a ledger is an entry. @param mayWrite the files that this ledger may be about */
export function isEntry(value: unknown, mayWrite: (path: string) => boolean): value is UndoEntry {
  if (typeof value !== 'object' || value === null) return false;
  const { kind, boot_id, written, before, path, pid, start_ticks } = value as Record<
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
  return kind === 'oom_score_adj' && typeof boot_id === 'string' && isProcess && isAdj(before) && isAdj(written);
}

const isAdj = (text: unknown) => typeof text === 'string' && /^-?\d{1,4}$/.test(text) && Math.abs(Number(text)) <= 1000;
