/**
 * The files of the undo ledgers of guards. Each running guard has locked a file of its own. A file that no process has
 * locked belongs to a guard that was killed: the next guard undoes what that file lists.
 */
import { lstatSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { ownershipProblem } from '../linux/regular-file.ts';
import { stateDirectories, usableDirectory } from '../linux/state-directory.ts';
import { OomscopeError } from '../model/error.ts';
import { holderOf } from './locked-file.ts';
import { type Account, keyOf, type Undone } from './undo-entry.ts';
import { UndoLedger, type UndoLedgerOptions } from './undo-ledger.ts';

/** A guard that runs now. */
export interface RunningGuard {
  /** The path of its ledger. */
  path: string;
  /** undefined: unknown, for example because the process is in another pid namespace. */
  pid: number | undefined;
}

export interface Recovery {
  undone: Undone[];
  running: RunningGuard[];
  /** The changes of the running guards: the guard, in words, by the key of the change. */
  held: Map<string, string>;
  /** Why a file could not be read, one sentence each. */
  problems: string[];
}

/** More guards than this do not run at a time. */
const MOST_FILES = 64;
const FILE = /^guard(-\d+)?\.jsonl$/;
const nameOf = (number: number) => (number === 1 ? 'guard.jsonl' : `guard-${number}.jsonl`);

/** Undoes what guards that were killed have left, in all default directories. Never throws. */
export function recoverLedgers(options: UndoLedgerOptions): Recovery {
  const recovery: Recovery = { undone: [], running: [], held: new Map(), problems: [] };
  const left: UndoLedger[] = [];
  for (const path of ledgerFiles()) {
    try {
      const ledger = UndoLedger.openIfFree(path, options);
      if (ledger) left.push(ledger);
      else {
        const guard = { path, pid: holderOf(path) };
        recovery.running.push(guard);
        for (const key of keysOf(path, options)) recovery.held.set(key, nameOfGuard(guard));
      }
    } catch (error) {
      recovery.problems.push((error as Error).message);
    }
  }
  for (const ledger of left) {
    recovery.undone.push(...ledger.undoAll(recovery.held));
    ledger.close();
  }
  return recovery;
}

/**
 * Opens a ledger in the first default directory that can be used. A damaged file stays as it is, and its name counts as
 * taken: recoverLedgers() has reported it. @returns undefined: none of them can be used
 *
 * @throws OomscopeError NOT_PERMITTED, OUTPUT
 */
export function openOwnLedger(options: UndoLedgerOptions): UndoLedger | undefined {
  const directory = usableDirectory();
  if (directory === undefined) return undefined;
  for (let number = 1; number <= MOST_FILES; number++) {
    const ledger = openUnlessDamaged(join(directory, nameOf(number)), options);
    if (ledger) return ledger;
  }
  const found = `${MOST_FILES} files that are in use or damaged`;
  throw new OomscopeError('OUTPUT', `${directory}: expected a free name for an undo file, got ${found}.`);
}

function openUnlessDamaged(path: string, options: UndoLedgerOptions): UndoLedger | undefined {
  try {
    return UndoLedger.openIfFree(path, options);
  } catch (error) {
    if (error instanceof OomscopeError && error.code === 'BAD_INPUT') return undefined;
    throw error;
  }
}

/** The other guard, in words, that has a change with this key in its ledger. undefined: there is none. Never throws. */
export function otherGuardWith(key: string, own: string | undefined, options: UndoLedgerOptions): string | undefined {
  for (const path of ledgerFiles()) {
    if (path === own) continue;
    try {
      if (keysOf(path, options).includes(key)) return nameOfGuard({ path, pid: holderOf(path) });
    } catch {
      // The other guard has just removed its file, or the file is not a ledger.
    }
  }
  return undefined;
}

export const nameOfGuard = ({ pid, path }: RunningGuard) =>
  pid === undefined ? `another guard (${path})` : `another guard (process ${pid})`;

const keysOf = (path: string, options: UndoLedgerOptions) =>
  UndoLedger.peek(path, options).map(({ entry }: Account) => keyOf(entry));

function ledgerFiles(): string[] {
  return stateDirectories().flatMap((directory) => {
    try {
      if (ownershipProblem(lstatSync(directory)) !== undefined) return []; // another user could have made it, in /tmp
      return readdirSync(directory)
        .filter((name) => FILE.test(name))
        .map((name) => join(directory, name));
    } catch {
      return []; // the directory does not exist, or belongs to another user
    }
  });
}
