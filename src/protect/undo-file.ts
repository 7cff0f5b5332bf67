/**
 * Opens the undo ledger of `protect`, which lists changed oom_score_adj values and written drop-ins. The file remains
 * when the process that writes it exits.
 */
import { basename, dirname } from 'node:path';
import { makeDirectory } from '../linux/state-directory.ts';
import type { Account } from '../process/undo-entry.ts';
import { UndoLedger } from '../process/undo-ledger.ts';
import { DROP_IN_FILE } from './drop-in.ts';
import { DEFAULT_UNDO_FILE } from './paths.ts';

const options = { mayWrite: (path: string) => basename(path) === DROP_IN_FILE };

/** Opens the undo file and locks it until `close()`. @throws OomscopeError as `UndoLedger.open` */
export function openUndoFile(path = DEFAULT_UNDO_FILE): UndoLedger {
  if (path === DEFAULT_UNDO_FILE) makeDirectory(dirname(path));
  return UndoLedger.open(path, options);
}

/** Reads the undo file, even while another process has it locked. @throws OomscopeError as `UndoLedger.open` */
export const peekUndoFile = (path = DEFAULT_UNDO_FILE): Account[] => UndoLedger.peek(path, options);
