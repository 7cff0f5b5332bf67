/** Reads what `protect` needs of a process: its identity, its program, and its cgroup. */
import { statSync } from 'node:fs';
import { ownerOf } from '../containers/container-path.ts';
import { readProcess } from '../linux/process-reader.ts';
import type { ProcessRecord } from '../linux/process-record.ts';
import { shortId } from '../model/container.ts';
import { openTaskTable } from '../scores/open-task-table.ts';
import { systemDomain } from '../scores/score-domain.ts';
import type { ScoredProcess } from '../scores/task-table.ts';

export interface Subject
  extends Pick<ProcessRecord, 'pid' | 'startTicks' | 'ppid' | 'uid' | 'comm' | 'exe' | 'cgroup' | 'oomScoreAdj'> {
  /** Root owns the program, no other user may write to it, and the process is in this user namespace. */
  exeTrusted: boolean;
  /**
   * The unit of the system's service manager. null: the process has none, or has a unit of a user, who can choose any
   * name.
   */
  unit: string | null;
  /** The container or pod of the process, as text for messages. */
  container: string | null;
  /** RSS, swap and page tables in thousandths of RAM and swap. */
  memoryPerMille: number;
}

/** All running processes except kernel threads, which have no memory of their own. */
export function readSubjects(): Subject[] {
  using table = openTaskTable();
  const { totalBytes } = systemDomain();
  const subjects = table.read().flatMap((entry) => subjectOf(entry, totalBytes) ?? []);
  return subjects.some(({ pid }) => pid === 1) ? subjects : [...init(), ...subjects];
}

/**
 * Returns init, which not every kernel's BPF iterator lists. Init must be in the list, so that the plan can say that a
 * profile matches it.
 */
function init(): Subject[] {
  const place = placeOf(1);
  const found = readProcess(1, ['comm', 'oom_score_adj']);
  return place && found ? [{ ...found, startTicks: 0, ppid: 0, uid: 0, memoryPerMille: 0, ...place }] : [];
}

/** The subject of a process; undefined: the process has exited. */
function subjectOf(entry: ScoredProcess, totalBytes: number): Subject | undefined {
  const { pid, startTicks, ppid, uid, comm, oomScoreAdj } = entry;
  const held = entry.rssBytes + entry.swapBytes + entry.pageTablesBytes;
  const place = placeOf(pid);
  if (!place) return undefined;
  const memoryPerMille = Math.round((held / totalBytes) * 10_000) / 10;
  return { pid, startTicks, ppid, uid, comm, oomScoreAdj, memoryPerMille, ...place };
}

export type Place = Pick<Subject, 'exe' | 'exeTrusted' | 'cgroup' | 'unit' | 'container'>;

/** The values of a process that only /proc has. undefined: the process has exited. */
export function placeOf(pid: number): Place | undefined {
  const found = readProcess(pid, ['cgroup', 'exe']);
  if (!found) return undefined;
  const { cgroup } = found;
  const { unit, container, pod } = ownerOf(cgroup);
  const exe = found.exe?.replace(/ \(deleted\)$/, '') ?? null;
  return {
    exe,
    exeTrusted: exe !== null && trusted(pid),
    cgroup,
    unit: cgroup !== null && /\/user@\d+\.service\/./.test(cgroup) ? null : unit,
    container: container ? `${container.runtime ?? 'container'} ${shortId(container.id)}` : pod && `pod ${pod.uid}`,
  };
}

const GROUP_OR_OTHERS_WRITE = 0o022;

function trusted(pid: number): boolean {
  const program = quietly(() => statSync(`/proc/${pid}/exe`));
  const own = quietly(() => statSync('/proc/self/ns/user').ino);
  return (
    program?.uid === 0 &&
    (program.mode & GROUP_OR_OTHERS_WRITE) === 0 &&
    quietly(() => statSync(`/proc/${pid}/ns/user`).ino) === own
  );
}

function quietly<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined; // the process has exited, or belongs to another user
  }
}
