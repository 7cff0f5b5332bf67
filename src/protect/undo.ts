/**
 * Puts back what the journal says was found, where it is still what was written: what somebody else has set since is
 * theirs.
 */
import { existsSync, readFileSync, rmdirSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { bootId } from '../linux/boot-id.ts';
import { OomscopeError } from '../model/error.ts';
import { ScoreAdjFile } from '../process/oom-score-adj-file.ts';
import type { AdjLine, DropInLine, Journal, JournalLine } from './journal.ts';
import type { Subject } from './subject.ts';

export interface Undone {
  /** A process ("nginx (pid 42)"), or a file. */
  what: string;
  pid: number | null;
  /**
   * - `restored`: as it was found.
   * - `untouched`: it was so already: the change had not come about, or is undone.
   * - `inherited`: it was started by one that had the value, and had it from there.
   * - `changed`: somebody else has changed it since: left as it is.
   * - `gone`: it has ended.
   * - `refused`: the kernel did not allow it: it stays in the journal.
   */
  outcome: 'restored' | 'untouched' | 'inherited' | 'changed' | 'gone' | 'refused';
  before: number | null;
  after: number | null;
  detail: string | null;
}

/** @param subjects all processes of now, for those that inherited. What could not be undone stays in the journal. */
export function undo(journal: Journal, subjects: readonly Subject[]): Undone[] {
  const lines = journal.read();
  const accounts = [...byProcess(lines.filter(isAdj).filter((line) => line.boot_id === bootId())).values()];
  const heirs = heirsOf(accounts, subjects); // before their parents' values are changed back
  const undone = [...accounts, ...heirs].map((account) => ({ account, undone: restore(account) }));
  const files = lines.filter((line): line is DropInLine => line.kind === 'drop_in').map(removeDropIn);
  const left = undone.filter(({ undone: { outcome } }) => outcome === 'refused').map(({ account }) => account.line);
  journal.replace(left);
  return [...undone.map((each) => each.undone), ...files];
}

/** One process, over all that was done to it. */
interface Account {
  /** From the value that was found to the one that was written last. */
  line: AdjLine;
  /** All values that it has had from here. */
  written: Set<number>;
  inherited: boolean;
}

const isAdj = (line: JournalLine): line is AdjLine => line.kind === 'oom_score_adj';
const identity = (pid: number, startTicks: number) => `${pid}:${startTicks}`;

export function byProcess(lines: readonly AdjLine[]): Map<string, Account> {
  const accounts = new Map<string, Account>();
  for (const line of lines) {
    const key = identity(line.pid, line.start_ticks);
    const known = accounts.get(key);
    if (!known) {
      accounts.set(key, { line, written: new Set([line.after]), inherited: false });
      continue;
    }
    known.written.add(line.after);
    known.line = { ...line, before: known.line.before };
  }
  return accounts;
}

/** Started by one of those, or by an heir of theirs, and with the value that it has. */
function heirsOf(accounts: readonly Account[], subjects: readonly Subject[]): Account[] {
  const known = new Map(accounts.map((account) => [identity(account.line.pid, account.line.start_ticks), account]));
  const byPid = new Map(subjects.map((subject) => [subject.pid, subject]));
  const accountOf = (subject: Subject): Account | undefined => {
    const own = identity(subject.pid, subject.startTicks);
    const account = known.get(own);
    if (account) return account;
    const parent = byPid.get(subject.ppid);
    // Nobody is older than what it was started by: else that has the pid of another.
    if (!parent || parent === subject || parent.startTicks > subject.startTicks) return undefined;
    const from = accountOf(parent);
    if (!from || subject.oomScoreAdj !== from.line.after) return undefined;
    const started = { pid: subject.pid, start_ticks: subject.startTicks, comm: subject.comm };
    const heir = { line: { ...from.line, ...started }, written: new Set([from.line.after]), inherited: true };
    known.set(own, heir);
    return heir;
  };
  return subjects.flatMap((subject) => accountOf(subject) ?? []).filter(({ inherited }) => inherited);
}

function restore({ line, written, inherited }: Account): Undone {
  const { pid, comm, before, after } = line;
  const told = (outcome: Undone['outcome'], detail: string | null = null): Undone => {
    return { what: comm, pid, outcome, before, after, detail };
  };
  try {
    using file = ScoreAdjFile.open({ pid, startTicks: line.start_ticks });
    const now = file.read();
    if (now === before) return told('untouched');
    if (!written.has(now)) return told('changed', `it has ${now} now, which is somebody else's`);
    file.write(before);
    return told(inherited ? 'inherited' : 'restored');
  } catch (error) {
    if (!(error instanceof OomscopeError)) throw error;
    if (error.code === 'PROCESS_GONE') return told('gone');
    if (error.code === 'NOT_PERMITTED') return told('refused', error.message);
    throw error;
  }
}

function removeDropIn({ path, text }: DropInLine): Undone {
  const told = (outcome: Undone['outcome'], detail: string | null = null): Undone => {
    return { what: path, pid: null, outcome, before: null, after: null, detail };
  };
  if (!existsSync(path)) return told('untouched');
  if (readFileSync(path, 'utf8') !== text) return told('changed', 'somebody else has edited it');
  rmSync(path);
  try {
    rmdirSync(dirname(path));
  } catch {
    // There are others beside it.
  }
  return told('restored');
}
