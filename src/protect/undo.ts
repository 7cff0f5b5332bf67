/**
 * Undoes the changes that the ledger lists, also in children that have inherited a changed value. A value that another
 * program has set since is not changed.
 */
import {
  type Account,
  processKey,
  type ScoreEntry,
  type Undone as UndoneEntry,
  undoAccount,
} from '../process/undo-entry.ts';
import type { UndoLedger } from '../process/undo-ledger.ts';
import type { Subject } from './subject.ts';

export interface Undone {
  /** The name of a process ("nginx"), or the path of a file. */
  what: string;
  /** The pid of the process. null: the entry is about a file. */
  pid: number | null;
  /**
   * - `restored`: the old value or file is restored.
   * - `untouched`: the old value was already there, because the change was never made or is already undone.
   * - `inherited`: the old value is restored in a process that had inherited the changed value.
   * - `changed`: another program has set another value since, which remains.
   * - `gone`: the process has exited, or the file was removed.
   * - `refused`: the kernel did not allow the change, so the entry remains in the ledger.
   */
  outcome: UndoneEntry['outcome'] | 'inherited';
  /** The value before the change, and the value that was written. null: the entry is about a file. */
  before: number | null;
  after: number | null;
  detail: string | null;
}

interface ScoreAccount extends Account {
  entry: ScoreEntry;
}

/** @param subjects all running processes, to find those that inherited a value */
export function undo(ledger: UndoLedger, subjects: readonly Subject[]): Undone[] {
  const accounts = ledger.accounts().filter(isScore);
  const heirs = heirsOf(accounts, subjects); // found before undoAll() restores their parents' values
  const undone = ledger.undoAll();
  const inherited = heirs.map((account) => undoAccount(account));
  const refused = inherited.filter(({ outcome }) => outcome === 'refused');
  ledger.record(refused.map(({ entry }) => entry as ScoreEntry));
  return [
    ...undone.filter(({ entry }) => entry.kind === 'oom_score_adj').map(ofProcess),
    ...inherited
      .map(ofProcess)
      .map((each) => (each.outcome === 'restored' ? { ...each, outcome: 'inherited' as const } : each)),
    ...undone.filter(({ entry }) => entry.kind === 'file').map(ofFile),
  ];
}

const isScore = (account: Account): account is ScoreAccount => account.entry.kind === 'oom_score_adj';

/**
 * Processes that have inherited a changed value: each was started by a process of `accounts` or by another heir, and
 * has the same value as its parent.
 */
function heirsOf(accounts: readonly ScoreAccount[], subjects: readonly Subject[]): ScoreAccount[] {
  const own = new Set<string>();
  const known = new Map<string, ScoreAccount>();
  for (const account of accounts) {
    const key = processKey(account.entry.pid, account.entry.start_ticks);
    own.add(key);
    known.set(key, account);
  }
  const byPid = new Map(subjects.map((subject) => [subject.pid, subject]));
  const accountOf = (subject: Subject): ScoreAccount | undefined => {
    const key = processKey(subject.pid, subject.startTicks);
    const account = known.get(key);
    if (account) return account;
    const parent = byPid.get(subject.ppid);
    // If the process with the pid of the parent is younger than the child, it is another process that reuses the pid.
    if (!parent || parent === subject || parent.startTicks > subject.startTicks) return undefined;
    const from = accountOf(parent);
    if (!from || String(subject.oomScoreAdj) !== from.entry.written) return undefined;
    const entry = { ...from.entry, pid: subject.pid, start_ticks: subject.startTicks, comm: subject.comm };
    const heir = { entry, written: new Set([from.entry.written]) };
    known.set(key, heir);
    return heir;
  };
  for (const subject of subjects) accountOf(subject);
  return [...known].filter(([key]) => !own.has(key)).map(([, heir]) => heir);
}

function ofProcess({ entry, outcome, detail }: UndoneEntry): Undone {
  const { pid, comm, before, written } = entry as ScoreEntry;
  return { what: comm ?? '?', pid, outcome, before: Number(before), after: Number(written), detail };
}

function ofFile({ entry, outcome, detail }: UndoneEntry): Undone {
  const what = entry.kind === 'file' ? entry.path : '';
  return { what, pid: null, outcome, before: null, after: null, detail };
}
