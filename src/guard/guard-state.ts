/**
 * What a guard keeps in files: the undo ledger of its changes, and its turns with the other guards of this machine.
 * Opening the guard undoes the changes that a killed guard has left, also in a dry run.
 */
import { existsSync } from 'node:fs';
import { dirname } from 'node:path';
import { makeDirectory, usableDirectory } from '../linux/state-directory.ts';
import { nameOfGuard, openOwnLedger, type Recovery, recoverLedgers } from '../process/ledger-files.ts';
import { onFile } from '../process/locked-file.ts';
import { Turns } from '../process/turns.ts';
import type { Undone } from '../process/undo-entry.ts';
import { UndoLedger } from '../process/undo-ledger.ts';
import type { GuardConfig } from './guard-config.ts';
import { CgroupRestraints } from './ladder/cgroup-restraints.ts';

export interface GuardState extends Disposable {
  ledger: UndoLedger;
  turns: Turns;
  /**
   * false: no file can be written, so an oom_score_adj that is raised now would stay raised if this process were
   * killed.
   */
  mayRaise: boolean;
  /** Sentences for the log. */
  notes: string[];
}

/** @throws OomscopeError USAGE: another process has locked the state file; BAD_INPUT, NOT_PERMITTED, OUTPUT */
export function openGuardState({ mode, stateFile }: Pick<GuardConfig, 'mode' | 'stateFile'>): GuardState {
  const enforce = mode === 'enforce';
  const recovery = recoverLedgers(CgroupRestraints);
  const ledger = enforce ? openLedger(stateFile, recovery) : dryLedger(stateFile, recovery);
  const notes = [...recovery.undone.map(undoneNote), ...recovery.problems];
  if (enforce) notes.push(...recovery.running.map((guard) => besideNote(nameOfGuard(guard))));
  const mayRaise = !enforce || ledger.path !== undefined;
  if (!mayRaise) {
    notes.push(
      'no directory for a state file can be used: this guard raises no oom_score_adj, because it could not be restored after a kill -9; name a file with --state-file',
    );
  }
  const turns = new Turns(enforce ? usableDirectory() : undefined);
  turns.sweep();
  const takeBack = () => void ledger.undoAll();
  process.on('exit', takeBack);
  return {
    ...{ ledger, notes, mayRaise },
    turns,
    [Symbol.dispose]: () => {
      process.off('exit', takeBack);
      takeBack();
      ledger.close();
    },
  };
}

function openLedger(stateFile: string | undefined, recovery: Recovery): UndoLedger {
  if (stateFile === undefined) return openOwnLedger(CgroupRestraints) ?? UndoLedger.inMemory();
  onFile(stateFile, () => makeDirectory(dirname(stateFile)));
  const ledger = UndoLedger.open(stateFile, CgroupRestraints);
  recovery.undone.push(...ledger.undoAll(recovery.held));
  return ledger;
}

/** A dry run changes nothing, but the guard undoes the changes that a killed guard has left in the state file. */
function dryLedger(stateFile: string | undefined, recovery: Recovery): UndoLedger {
  if (stateFile !== undefined && existsSync(stateFile)) {
    try {
      using left = UndoLedger.openIfFree(stateFile, CgroupRestraints);
      recovery.undone.push(...(left?.undoAll(recovery.held) ?? []));
    } catch (error) {
      recovery.problems.push((error as Error).message);
    }
  }
  return UndoLedger.inMemory();
}

function undoneNote({ entry, outcome, detail }: Undone): string {
  const what = entry.kind === 'file' ? entry.path : `oom_score_adj of process ${entry.pid}`;
  return `an earlier run changed ${what}: ${outcome}${detail === null ? '' : `, ${detail}`}`;
}

const besideNote = (other: string) =>
  `${other} enforces on this machine, too: where one of the two acts or has armed a process, the other one waits`;
