/**
 * Undoes what the ledger says was changed, and what children have inherited of it, where it is still what was written: a
 * value that another program has set since is left alone.
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
  /** null: a file. */
  pid: number | null;
  /**
   * - `restored`: it is as it was found.
   * - `untouched`: it was so already: the change was never made, or is undone.
   * - `inherited`: restored in a process that had the value from its parent.
   * - `changed`: another program has changed it since: left as it is.
   * - `gone`: the process has exited, or the file was removed.
   * - `refused`: the kernel did not allow it: it stays in the ledger.
   */
  outcome: UndoneEntry['outcome'] | 'inherited';
  /** The value that was found, and the one that was written. null: a file. */
  before: number | null;
  after: number | null;
  detail: string | null;
}

interface ScoreAccount extends Account {
  entry: ScoreEntry;
}

/** @param subjects all processes of now, to find those that inherited a value */
export function undo(ledger: UndoLedger, subjects: readonly Subject[]): Undone[] {
  const accounts = ledger.accounts().filter(isScore);
  const heirs = heirsOf(accounts, subjects); // before their parents' values are changed back
  const undone = ledger.undoAll();
  const inherited = heirs.map(undoAccount);
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

/** Processes that were started by one of those, or by an heir of theirs, and have the value that it has. */
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
    // A parent that is younger than its child has the pid of the real one.
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
