/**
 * Processes as `protect` looks at them: who they are, beyond doubt, and where they live.
 */
import { readlinkSync, statSync } from 'node:fs';
import { ownerOf } from '../containers/container-path.ts';
import { readIfPresent } from '../linux/capabilities.ts';
import { memoryCgroup } from '../linux/process.ts';
import { shortId } from '../model/container.ts';
import { openTaskTable } from '../scores/open-task-table.ts';
import { systemDomain } from '../scores/score-domain.ts';
import type { TaskEntry } from '../scores/task-table.ts';

export interface Subject {
  pid: number;
  /** With the pid it says who it is: field 22 of /proc/PID/stat. */
  startTicks: number;
  ppid: number;
  uid: number;
  comm: string;
  /** The path of its program. null: not ours to read. */
  exe: string | null;
  /** Root owns the program and nobody else may write to it, and no user namespace shows it where it is not. */
  exeTrusted: boolean;
  /** Path of its memory cgroup. */
  cgroup: string | null;
  /** Of the system. A user can give units of his own any name, so those are not told. */
  unit: string | null;
  /** The container or pod that it is in, for people. */
  container: string | null;
  oomScoreAdj: number;
  /** RSS, swap and page tables in thousandths of RAM and swap. */
  memoryPerMille: number;
}

/** All processes of now, without kernel threads, whose memory is nobody's. */
export function readSubjects(): Subject[] {
  using table = openTaskTable();
  const { totalBytes } = systemDomain();
  const subjects = table.read().flatMap((entry) => subjectOf(entry, totalBytes) ?? []);
  return subjects.some(({ pid }) => pid === 1) ? subjects : [...init(), ...subjects];
}

/** Not every kernel lists it to an iterator, and whoever matches it is to be told. */
function init(): Subject[] {
  const place = placeOf(1);
  const comm = readIfPresent('/proc/1/comm')?.replace(/\n$/, '');
  if (!place || comm === undefined) return [];
  const oomScoreAdj = Number(readIfPresent('/proc/1/oom_score_adj'));
  return [{ pid: 1, startTicks: 0, ppid: 0, uid: 0, comm, oomScoreAdj, memoryPerMille: 0, ...place }];
}

/** undefined: it has ended. */
function subjectOf(entry: TaskEntry, totalBytes: number): Subject | undefined {
  const { pid, startTicks, ppid, uid, comm, oomScoreAdj } = entry;
  const held = entry.anonBytes + entry.fileBytes + entry.shmemBytes + entry.swapBytes + entry.pageTableBytes;
  const place = placeOf(pid);
  if (!place) return undefined;
  const memoryPerMille = Math.round((held / totalBytes) * 10_000) / 10;
  return { pid, startTicks, ppid, uid, comm, oomScoreAdj, memoryPerMille, ...place };
}

export type Place = Pick<Subject, 'exe' | 'exeTrusted' | 'cgroup' | 'unit' | 'container'>;

/** What only /proc says of a process. undefined: it has ended. */
export function placeOf(pid: number): Place | undefined {
  const text = readIfPresent(`/proc/${pid}/cgroup`);
  if (text === undefined) return undefined;
  const cgroup = memoryCgroup(text) ?? null;
  const { unit, container, pod } = ownerOf(cgroup ?? null);
  const exe = quietly(() => readlinkSync(`/proc/${pid}/exe`))?.replace(/ \(deleted\)$/, '') ?? null;
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

function quietly<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch {
    return undefined; // ended, or another user's
  }
}
