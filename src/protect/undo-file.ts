/** The undo ledger of `protect`: values of processes, and drop-ins. It outlives the process that writes it. */
import { mkdirSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import type { Account } from '../process/undo-entry.ts';
import { UndoLedger } from '../process/undo-ledger.ts';
import { DROP_IN_FILE } from './drop-in.ts';
import { DEFAULT_UNDO_FILE } from './paths.ts';

const options = { mayWrite: (path: string) => basename(path) === DROP_IN_FILE };

/** For this process alone, until it is closed. @throws OomscopeError as `UndoLedger.open` */
export function openUndoFile(path = DEFAULT_UNDO_FILE): UndoLedger {
  if (path === DEFAULT_UNDO_FILE) mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  return UndoLedger.open(path, options);
}

/** What it says, also while another process has it. @throws OomscopeError as `UndoLedger.open` */
export const peekUndoFile = (path = DEFAULT_UNDO_FILE): Account[] => UndoLedger.peek(path, options);
